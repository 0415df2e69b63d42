"""Tasks that want access tokens, one after the other, for a while."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.grants.audits import with_secret
from gmail_warmup.oauth.access_tokens import AccessTokens
from gmail_warmup.oauth.errors import GrantError
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from support.world import World

SERVED = "served"


class TimeUp(Exception):
    """The while is over."""


def want_tokens(
    world: World,
    *,
    addresses: Sequence[str],
    seconds: float,
    seed: int,
    settings: dict[str, Any] | None = None,
    secret: str = "",
) -> Counter[str]:
    """Ask for the tokens of mailboxes at random; return how often each answer came, errors by name."""
    chosen = world.settings.model_copy(update=settings or {})
    endpoint = TokenEndpoint(
        with_secret(world.client, secret), connect_timeout=chosen.connect_timeout, read_timeout=chosen.read_timeout
    )
    until = time.monotonic() + seconds

    def sleep(pause: float) -> None:
        if time.monotonic() + pause > until:
            raise TimeUp
        time.sleep(pause)

    tokens = AccessTokens(
        world.store,
        lambda _: endpoint,
        actor=world.actor,
        margin=chosen.refresh_margin,
        lease=chosen.refresh_lease,
        sleep=sleep,
    )
    chance, outcomes = random.Random(seed), Counter[str]()
    while time.monotonic() < until:
        outcomes[_get(tokens, chance.choice(addresses))] += 1
    return outcomes


def _get(tokens: AccessTokens, address: str) -> str:
    try:
        tokens.get_token(address)
    except (GrantError, TimeUp) as error:
        return type(error).__name__
    return SERVED

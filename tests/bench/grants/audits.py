"""The audit of many mailboxes, beside google-auth in a loop and under a hidden limit."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.fleet import Worker
from bench.scene import Crowd, valid
from gmail_warmup.grants.endpoint import OAuthClient
from world import World

PASSES = 5


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One process's audits, shard after shard."""

    counts: Counter[str]
    seconds: float
    rss_mb: float
    """The most memory that the process ever held."""


def audit(
    world: World, *, shards: Sequence[Sequence[int]], settings: dict[str, Any] | None = None, secret: str = ""
) -> Audited:
    """Audit shards as mapped tasks do, one after the other in this process.

    Args:
        shards: mailbox ids.
        settings: options of [gmail_warmup] other than their defaults.
        secret: the client's secret, where it is to be another one.
    """
    from gmail_warmup.grants.audit import Audit

    chosen = world.settings.model_copy(update=settings or {})
    client = with_secret(world.client, secret)
    counts = Counter[str]()
    started = time.monotonic()
    for shard in shards:
        counts += Audit(world.store, client, chosen, actor=world.actor).run(shard).counts
    return Audited(counts=counts, seconds=time.monotonic() - started, rss_mb=peak_mb())


def peak_mb() -> float:
    """Return the most memory that this process ever held; its guard, which started it, is smaller."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def with_secret(client: OAuthClient, secret: str) -> OAuthClient:
    """Return the client with another secret, or as it is."""
    return dataclasses.replace(client, secrets=(secret,)) if secret else client


def google_auth(world: World, *, addresses: Sequence[str]) -> float:
    """Refresh with google-auth in a loop, one connection kept open; return the seconds."""
    import google.auth.transport.requests
    from google.oauth2.credentials import Credentials

    tokens = []
    for address in addresses:
        grant = world.grant(address)
        tokens.append(world.store.cipher.decrypt(grant.owner, grant.refresh_token or ""))
    request = google.auth.transport.requests.Request()
    started = time.monotonic()
    for token in tokens:
        Credentials(
            token=None,
            refresh_token=token,
            token_uri=world.client.token_uri,
            client_id=world.client.client_id,
            client_secret=world.client.secrets[0],
        ).refresh(request)
    return time.monotonic() - started


def until_valid(world: World, worker: Worker, crowd: Crowd, *, timeout: float) -> tuple[float, int]:
    """Audit until every mailbox has a valid access token; return the seconds and how many passes that took."""
    seconds, passes = 0.0, 0
    while valid(world) < len(crowd.ids) and passes < PASSES:
        shards = crowd.shards(world.settings.audit_shard)
        seconds += worker.do(audit, timeout=timeout, shards=shards).seconds
        passes += 1
    return seconds, passes

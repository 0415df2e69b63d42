"""Thousands of mailboxes at once, on both sides; and what became of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, OAuthGrant
from gmail_warmup.oauth.token_endpoint import SCOPE
from support.world import CLIENT_ID, World

_BULK = 2000
_GRANTED, _REFRESHED = timedelta(days=30), timedelta(hours=25)
"""So long ago; grants that were never refreshed would not count as healthy."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Mailboxes that were added together, in the order of their ids."""

    ids: list[int]
    addresses: list[str]

    def shards(self, size: int) -> list[list[int]]:
        """Return the ids in shards, as the DAG cuts them."""
        return [self.ids[start : start + size] for start in range(0, len(self.ids), size)]

    def sample(self, count: int, seed: int) -> list[str]:
        """Return some of the addresses."""
        return random.Random(seed).sample(self.addresses, min(count, len(self.addresses)))


def add_crowd(world: World, count: int, *, domains: int = 10) -> Crowd:
    """Add mailboxes with living grants whose access tokens are expired, spread over some domains."""
    addresses = [f"m{number:05}@d{number % domains}.example" for number in range(count)]
    ids: list[int] = []
    for start in range(0, count, _BULK):
        ids += _add(world, addresses[start : start + _BULK])
    return Crowd(ids=ids, addresses=addresses)


def _add(world: World, addresses: Sequence[str]) -> list[int]:
    world.sandbox.put_mailboxes(addresses)
    grants = world.sandbox.grants(
        {"address": address, "client_id": CLIENT_ID, "scopes": [SCOPE], "access_expired": True} for address in addresses
    )
    rows = [{"address": address, "kind": "pool", "created_by": "bench"} for address in addresses]
    with world.store.engine.begin() as connection:
        added = connection.scalars(sa.insert(Mailbox).returning(Mailbox.id, sort_by_parameter_order=True), rows)
        ids = list(added)
        stored = [_row(world, mailbox_id, grant.refresh_token) for mailbox_id, grant in zip(ids, grants, strict=True)]
        ages = {"granted_at": sa.func.now() - _GRANTED, "refreshed_at": sa.func.now() - _REFRESHED}
        connection.execute(sa.insert(OAuthGrant).values(ages), stored)
    return ids


def _row(world: World, mailbox_id: int, refresh_token: str) -> dict[str, object]:
    return {
        "mailbox_id": mailbox_id,
        "client_id": CLIENT_ID,
        "refresh_token": world.store.cipher.encrypt(build_secret_owner(mailbox_id), refresh_token),
        "scopes": [SCOPE],
        "state": GrantState.ACTIVE,
    }


def expire(world: World) -> None:
    """Let every access token expire, and the last refresh be so long ago that an audit asks again.

    Who is being written just now is left out: nobody may have to wait for this.
    """
    values = {"access_expires_at": sa.func.now(), "refreshed_at": sa.func.now() - _REFRESHED}
    free = sa.select(OAuthGrant.mailbox_id).with_for_update(skip_locked=True).cte("free")
    with world.store.engine.begin() as connection:
        connection.execute(
            sa.update(OAuthGrant).where(OAuthGrant.mailbox_id.in_(sa.select(free.c.mailbox_id))).values(values)
        )


def ever_flagged(world: World) -> int:
    """Return how many mailboxes are in another state than active, or were so at any time."""
    now = sa.select(OAuthGrant.mailbox_id).where(OAuthGrant.state != GrantState.ACTIVE)
    once = sa.select(GrantEvent.mailbox_id).where(GrantEvent.to_state != GrantState.ACTIVE)
    with world.store.engine.begin() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(now.union(once).subquery())) or 0)


def states(world: World) -> Counter[str]:
    """Return how many grants are in each state."""
    query = sa.select(OAuthGrant.state, sa.func.count()).group_by(OAuthGrant.state)
    with world.store.engine.begin() as connection:
        return Counter({state: count for state, count in connection.execute(query)})


def valid(world: World) -> int:
    """Return how many active mailboxes have an access token with more than five minutes left."""
    query = sa.select(sa.func.count()).where(
        OAuthGrant.state == GrantState.ACTIVE,
        OAuthGrant.access_expires_at > sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 5),
    )
    with world.store.engine.begin() as connection:
        return int(connection.scalar(query) or 0)


def asked(world: World) -> Counter[str]:
    """Return how many token requests Google saw for each mailbox."""
    rows = world.sandbox.stats().mailboxes
    return Counter({address: row.token_requests for address, row in rows.items() if row.token_requests})

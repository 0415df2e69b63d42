"""Lease grants, so that only one process refreshes a grant at a time.

A lease is two columns of the row: its holder and the time at which it ends. Taking it is one short UPDATE; the token
request runs afterwards, outside any transaction. The lease of a crashed process ends by its time limit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.oauth.grant import GRANT_COLUMNS, StoredGrant, to_stored_grant

_G = OAuthGrant
_FREE_LEASES = (
    sa.select(_G.mailbox_id)
    .where(
        _G.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))),
        sa.or_(_G.lease_until.is_(None), _G.lease_until <= sa.func.now()),
    )
    .order_by(_G.mailbox_id)
    .with_for_update(skip_locked=True)
    .cte("free")
)
_TAKE_LEASES = (
    sa.update(_G)
    .where(_G.mailbox_id.in_(sa.select(_FREE_LEASES.c.mailbox_id)), Mailbox.id == _G.mailbox_id)
    .values(
        lease_holder=sa.bindparam("holder"),
        lease_until=sa.func.now() + make_interval(sa.bindparam("seconds", type_=sa.Float)),
    )
    .returning(*GRANT_COLUMNS)
)


class GrantLeases:
    """Take, extend and release leases as one holder.

    Args:
        seconds: duration of a lease; longer than one token request.
        holder: identifies the holder; random by default.
    """

    def __init__(self, engine: sa.Engine, *, seconds: int, holder: str | None = None) -> None:
        self._engine, self._seconds, self._holder = engine, seconds, holder or uuid.uuid4().hex

    def take(self, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
        """Take the free leases among these mailboxes, and return their grants as of now."""
        with autocommit(self._engine) as connection:
            return self.take_on(connection, mailbox_ids)

    def take_on(self, connection: sa.Connection, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
        """Take leases like ``take``, on a connection that is already open."""
        values = {"ids": list(mailbox_ids), "holder": self._holder, "seconds": self._seconds}
        return [to_stored_grant(row) for row in connection.execute(_TAKE_LEASES, values)]

    def extend(self, mailbox_ids: Iterable[int]) -> None:
        """Restart the duration of the leases that are still held."""
        self._update_held(mailbox_ids, lease_until=sa.func.now() + make_interval(self._seconds))

    def release(self, mailbox_ids: Iterable[int]) -> None:
        """Release the leases that are still held."""
        self._update_held(mailbox_ids, lease_holder=None, lease_until=None)

    def _update_held(self, mailbox_ids: Iterable[int], **values: Any) -> None:
        held = sa.select(_G.mailbox_id).where(_G.mailbox_id.in_(list(mailbox_ids)), _G.lease_holder == self._holder)
        locked = held.order_by(_G.mailbox_id).with_for_update(key_share=True).cte("held")
        with autocommit(self._engine) as connection:
            connection.execute(sa.update(_G).where(_G.mailbox_id.in_(sa.select(locked.c.mailbox_id))).values(values))

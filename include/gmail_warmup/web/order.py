"""The orders of the list, and the places in it: how a page goes on where its neighbour ended.

An order is by a key and then by address; mailboxes without a key stand last, whichever way it goes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.errors import InvalidInputError
from gmail_warmup.grants import foresight
from gmail_warmup.web.filters import Group, in_group, storable

KEY = "sort_key"
"""The column that a sorted query has besides those of a mailbox."""

URGENCY = (Group.NEEDS_REAUTH, Group.BLOCKED, Group.SUSPECT, Group.EXPIRING, Group.PAUSED)
"""What needs attention, the most urgent first: a person can mend the first at once, and the last was meant so."""


class Order(StrEnum):
    """What the list is sorted by; with a minus the other way round."""

    ADDRESS = "address"
    ADDRESS_DOWN = "-address"
    ATTENTION = "attention"
    """What needs somebody comes first."""
    ATTENTION_DOWN = "-attention"
    SINCE = "since"
    SINCE_DOWN = "-since"
    DAY = "day"
    """Days of the warmup; a pool mailbox has none."""
    DAY_DOWN = "-day"
    REFRESHED = "refreshed"
    REFRESHED_DOWN = "-refreshed"
    EXPIRES = "expires"
    EXPIRES_DOWN = "-expires"

    @property
    def column(self) -> str:
        """Return what it sorts by, whichever way."""
        return self.value.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Tell whether the last comes first."""
        return self.value.startswith("-")

    @property
    def key_type(self) -> type:
        """Return the type of what it sorts by, before the address."""
        by_time = self.column in ("since", "refreshed", "expires")
        return datetime if by_time else int


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the list: the mailbox at the edge of a page. It holds although that mailbox changes or goes."""

    order: Order
    key: int | datetime | None
    address: str

    def __str__(self) -> str:
        """Return it as links and clients carry it."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        parts = json.dumps([self.order.value, key, self.address], separators=(",", ":"))
        return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, order: Order) -> Cursor:
        """Read one back.

        Raises:
            InvalidInputError: if it is no place in the list of this order.
        """
        try:
            name, key, address = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            read = datetime.fromisoformat(key) if isinstance(key, str) else key
            if name != order or not isinstance(address, str) or type(read) not in (order.key_type, type(None)):
                raise ValueError(name)
        except (ValueError, TypeError):
            raise InvalidInputError(
                f"after and before: this is no place in the list sorted by '{order.value}'. Give what one of its pages "
                "returned as next_after or previous_before, or nothing for the first page."
            ) from None
        return cls(order=order, key=read, address=storable(address))


_Key = sa.SQLColumnExpression[Any]
_KEYS: dict[str, Callable[[int], _Key]] = {
    "attention": lambda days: sa.case(
        *((in_group(group, days), rank) for rank, group in enumerate(URGENCY)), else_=len(URGENCY)
    ),
    "since": lambda _: OAuthGrant.since,
    "day": lambda _: sa.case((Mailbox.kind == MailboxKind.WARMUP, Mailbox.warmup_days)),
    "refreshed": lambda _: OAuthGrant.refreshed_at,
    # As it is shown: that an idle grant would end in half a year is no news.
    "expires": lambda days: sa.case(
        (foresight.ends_within(days), foresight.ENDS_AT), (foresight.FORETOLD, OAuthGrant.refresh_expires_at)
    ),
}


class Sorting:
    """One order as SQL.

    Args:
        order: the order.
        expiring_days: days ahead in which a foretold end is near.
        backwards: whether to walk against it, to the page before.
    """

    def __init__(self, order: Order, *, expiring_days: int, backwards: bool) -> None:
        self._order, self._backwards = order, backwards
        key = _KEYS.get(order.column)
        self._key = key(expiring_days) if key else None

    def apply(self, query: sa.Select[Any], edge: Cursor | None) -> sa.Select[Any]:
        """Sort a query, give it the column KEY, and let it begin beyond an edge if there is one."""
        query = query.add_columns((sa.null() if self._key is None else self._key).label(KEY))
        query = query.where(self._beyond(edge)) if edge else query
        return query.order_by(*self._columns())

    def cursor(self, row: sa.Row[Any]) -> Cursor:
        """Return the place of a row of the sorted query."""
        return Cursor(order=self._order, key=row._mapping[KEY], address=row.address)

    @property
    def _key_falls(self) -> bool:
        return self._order.descending != self._backwards

    @property
    def _address_falls(self) -> bool:
        # Mailboxes that are alike stand from A to Z whichever way the key goes.
        return self._key_falls if self._key is None else self._backwards

    def _columns(self) -> list[_Key]:
        address = Mailbox.address.desc() if self._address_falls else Mailbox.address.asc()
        if self._key is None:
            return [address]
        key = self._key.desc() if self._key_falls else self._key.asc()
        return [key.nulls_first() if self._backwards else key.nulls_last(), address]

    def _beyond(self, edge: Cursor) -> sa.ColumnElement[bool]:
        key = self._key
        further = Mailbox.address < edge.address if self._address_falls else Mailbox.address > edge.address
        if key is None:
            return further
        if edge.key is None:
            among = sa.and_(key.is_(None), further)
            return sa.or_(among, key.is_not(None)) if self._backwards else among
        onwards = key < edge.key if self._key_falls else key > edge.key
        beyond = sa.or_(onwards, sa.and_(key == edge.key, further))
        return beyond if self._backwards else sa.or_(beyond, key.is_(None))

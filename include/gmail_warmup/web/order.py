"""The orders of the list, and the places in it: how a page goes on where its neighbour ended.

An order is a sequence of stretches, such as the mailboxes that have a last refresh, by that, and then those that have
none, by address. So each query has one plain condition and one plain order that an index serves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.errors import InvalidInputError
from gmail_warmup.grants import foresight
from gmail_warmup.web.filters import Group, in_group, storable

KEY = "sort_key"
"""The column of a sorted query that it has besides those of a mailbox."""

URGENCY = (Group.NEEDS_REAUTH, Group.BLOCKED, Group.SUSPECT, Group.EXPIRING)
"""What needs attention, the most urgent first: a person can mend the first at once."""


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


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the list: the edge of a page. It holds although the mailbox there changes or goes."""

    order: Order
    stretch: int
    key: int | datetime | None
    """None in a stretch that is sorted by address alone."""
    last: int | str
    """What tells alike mailboxes apart: the id beside a key, else the address."""

    def __str__(self) -> str:
        """Return it as links and clients carry it."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        parts = json.dumps([self.order.value, self.stretch, key, self.last], separators=(",", ":"))
        return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, order: Order) -> Cursor:
        """Read one back.

        Raises:
            InvalidInputError: if it is no place in the list of this order.
        """
        try:
            name, stretch, key, last = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            read = datetime.fromisoformat(key) if isinstance(key, str) else key
            if name != order or not _fits(order, stretch, read, last):
                raise ValueError(name)
        except (ValueError, TypeError):
            raise InvalidInputError(
                f"after and before: this is no place in the list sorted by '{order.value}'. Give what one of its pages "
                "returned as next_after or previous_before, or nothing for the first page."
            ) from None
        return cls(order=order, stretch=stretch, key=read, last=storable(last) if isinstance(last, str) else last)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of an order: the mailboxes that meet a condition, by a key and the id, or by address alone."""

    condition: sa.ColumnElement[bool]
    key: sa.SQLColumnExpression[Any] | None = None
    key_type: type | None = None
    id: sa.SQLColumnExpression[int] = field(default_factory=lambda: Mailbox.id)
    """Of the same table as the key, so that one index holds both."""
    falls: bool = False

    def apply(self, query: sa.Select[Any], edge: Cursor | None, *, backwards: bool) -> sa.Select[Any]:
        """Sort a query, give it the column KEY, and let it begin beyond an edge in this stretch if there is one."""
        by = (Mailbox.address,) if self.key is None else (self.key, self.id)
        falls = self.falls != backwards
        if edge:
            at = (edge.last,) if self.key is None else (edge.key, edge.last)
            here, there = sa.tuple_(*by), sa.tuple_(*map(sa.literal, at))
            query = query.where(here < there if falls else here > there)
        query = query.where(self.condition).add_columns((sa.null() if self.key is None else self.key).label(KEY))
        return query.order_by(*(column.desc() if falls else column.asc() for column in by))

    def place(self, row: sa.Row[Any], order: Order, number: int) -> Cursor:
        """Return the place of a row of the sorted query; ``number`` is that of this stretch in its order."""
        last = row.address if self.key is None else row.id
        return Cursor(order=order, stretch=number, key=row._mapping[KEY], last=last)


def stretches(order: Order, *, expiring_days: int) -> list[Stretch]:
    """Return the stretches of an order, first to last. What is not known stands at the end, whichever way it goes."""
    known, rest = _STRETCHES[order.column](order.descending, expiring_days)
    return [*(reversed(known) if order.descending else known), *rest]


_Stretches = tuple[list[Stretch], list[Stretch]]


def _by_address(falls: bool, _: int) -> _Stretches:
    return [Stretch(condition=sa.true(), falls=falls)], []


def _by_attention(_: bool, expiring_days: int) -> _Stretches:
    groups = [in_group(group, expiring_days) for group in URGENCY]
    conditions = [*groups, sa.true()]
    return [
        Stretch(condition=sa.and_(condition, *(former.is_not(True) for former in conditions[:rank])))
        for rank, condition in enumerate(conditions)
    ], []


def _by_since(falls: bool, _: int) -> _Stretches:
    return [_by_time(sa.true(), OAuthGrant.since, falls)], []


def _by_day(falls: bool, _: int) -> _Stretches:
    warms_up = Stretch(condition=Mailbox.kind == MailboxKind.WARMUP, key=Mailbox.warmup_days, key_type=int, falls=falls)
    return [warms_up], [Stretch(condition=Mailbox.kind == MailboxKind.POOL)]


def _by_refresh(falls: bool, _: int) -> _Stretches:
    at = OAuthGrant.refreshed_at
    return [_by_time(at.is_not(None), at, falls)], [Stretch(condition=at.is_(None))]


def _by_end(falls: bool, expiring_days: int) -> _Stretches:
    """Sort by the end as it is shown: that an idle grant would end in half a year is no news."""
    soon, announced = foresight.ends_within(expiring_days), OAuthGrant.refresh_expires_at
    later = sa.and_(foresight.FORETOLD, announced.is_not(None), soon.is_not(True))
    unknown = sa.and_(sa.or_(foresight.FORETOLD.is_not(True), announced.is_(None)), soon.is_not(True))
    known = [_by_time(soon, foresight.ENDS_AT, falls), _by_time(later, announced, falls)]
    return known, [Stretch(condition=unknown)]


def _by_time(condition: sa.ColumnElement[bool], key: sa.SQLColumnExpression[Any], falls: bool) -> Stretch:
    return Stretch(condition=condition, key=key, key_type=datetime, id=OAuthGrant.mailbox_id, falls=falls)


_STRETCHES: dict[str, Callable[[bool, int], _Stretches]] = {
    "address": _by_address,
    "attention": _by_attention,
    "since": _by_since,
    "day": _by_day,
    "refreshed": _by_refresh,
    "expires": _by_end,
}


def _fits(order: Order, place: Any, key: Any, last: Any) -> bool:
    """Tell whether the parts of a cursor are of the types that its stretch compares with."""
    known = stretches(order, expiring_days=0)
    if type(place) is not int or not 0 <= place < len(known):
        return False
    key_type = known[place].key_type
    return type(key) is (key_type or type(None)) and type(last) is (int if key_type else str)

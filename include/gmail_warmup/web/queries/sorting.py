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
from types import NoneType
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.oauth import expiry
from gmail_warmup.web.queries.filters import Group, in_group, to_storable_text

_Column = sa.SQLColumnExpression[Any]

SORT_KEY = "sort_key"
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
    def is_descending(self) -> bool:
        """Tell whether the last comes first."""
        return self.value.startswith("-")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the list: the edge of a page. It holds although the mailbox there changes or goes."""

    order: Order
    segment: int
    key: int | datetime | None
    """None in a stretch that is sorted by address alone."""
    tiebreaker: int | str
    """What tells alike mailboxes apart: the address or the id."""

    def __str__(self) -> str:
        """Return it as links and clients carry it."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        parts = json.dumps([self.order.value, self.segment, key, self.tiebreaker], separators=(",", ":"))
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
            if name != order or not _is_valid_cursor(order, stretch, read, last):
                raise ValueError(name)
        except (ValueError, TypeError, RecursionError):
            raise InvalidInputError(
                f"after and before: this is no place in the list sorted by '{order.value}'. Give what one of its pages "
                "returned as next_after or previous_before, or nothing for the first page."
            ) from None
        return cls(
            order=order, segment=stretch, key=read, tiebreaker=to_storable_text(last) if isinstance(last, str) else last
        )


@dataclass(frozen=True, kw_only=True)
class SortSegment:
    """A part of an order: the mailboxes that meet a condition, by a key and what tells alike ones apart."""

    condition: sa.ColumnElement[bool]
    key: _Column | None = None
    """None to sort by the other alone."""
    key_type: type = NoneType
    tiebreaker: _Column = field(default_factory=lambda: Mailbox.address)
    """The address, or the id beside the key: one index holds both."""
    descending: bool = False

    @property
    def tiebreaker_type(self) -> type:
        """Return the type of what tells alike mailboxes apart."""
        return str if self.tiebreaker is Mailbox.address else int

    def sort_query(self, query: sa.Select[Any], edge: Cursor | None, *, backwards: bool) -> sa.Select[Any]:
        """Sort a query, give it the column KEY, and let it begin beyond an edge in this stretch if there is one."""
        by = (self.tiebreaker,) if self.key is None else (self.key, self.tiebreaker)
        falls = self.descending != backwards
        if edge:
            at = (edge.tiebreaker,) if self.key is None else (edge.key, edge.tiebreaker)
            here, there = sa.tuple_(*by), sa.tuple_(*map(sa.literal, at))
            query = query.where(here < there if falls else here > there)
        query = query.where(self.condition).add_columns((sa.null() if self.key is None else self.key).label(SORT_KEY))
        return query.order_by(*(column.desc() if falls else column.asc() for column in by))

    def cursor_at(self, row: sa.Row[Any], order: Order, number: int) -> Cursor:
        """Return the place of a row of the sorted query; ``number`` is that of this stretch in its order."""
        last = row.address if self.tiebreaker_type is str else row.id
        return Cursor(order=order, segment=number, key=row._mapping[SORT_KEY], tiebreaker=last)


def sort_segments(order: Order, *, expiring_days: int) -> list[SortSegment]:
    """Return the stretches of an order, first to last. What is not known stands at the end, whichever way it goes."""
    known, rest = _SEGMENT_BUILDERS[order.column](order.is_descending, expiring_days)
    return [*(reversed(known) if order.is_descending else known), *rest]


_SegmentGroups = tuple[list[SortSegment], list[SortSegment]]


def _segments_by_address(falls: bool, _: int) -> _SegmentGroups:
    return [SortSegment(condition=sa.true(), descending=falls)], []


def _segments_by_attention(falls: bool, expiring_days: int) -> _SegmentGroups:
    """Sort the few that need attention by its urgency; the many others stand behind them, in the order of an index."""
    groups = [in_group(group, expiring_days) for group in URGENCY]
    urgency = sa.case(*((group, rank) for rank, group in enumerate(groups[:-1])), else_=len(groups) - 1)
    needed = SortSegment(condition=sa.or_(*groups), key=urgency, key_type=int, descending=falls)
    return [needed, SortSegment(condition=sa.or_(*groups).is_not(True), descending=falls)], []


def _segments_by_since(falls: bool, _: int) -> _SegmentGroups:
    return [_time_segment(sa.true(), OAuthGrant.state_since, falls)], []


def _segments_by_day(falls: bool, _: int) -> _SegmentGroups:
    days = Mailbox.warmup_days
    warms_up = SortSegment(
        condition=Mailbox.kind == MailboxKind.WARMUP, key=days, key_type=int, tiebreaker=Mailbox.id, descending=falls
    )
    return [warms_up], [SortSegment(condition=Mailbox.kind == MailboxKind.POOL)]


def _segments_by_refresh(falls: bool, _: int) -> _SegmentGroups:
    at = OAuthGrant.refreshed_at
    return [_time_segment(at.is_not(None), at, falls)], [SortSegment(condition=at.is_(None))]


def _segments_by_expiry(falls: bool, expiring_days: int) -> _SegmentGroups:
    """Sort by the end as it is shown: that an idle grant would end in half a year is no news."""
    soon, announced = expiry.expires_within(expiring_days), OAuthGrant.refresh_expires_at
    later = sa.and_(expiry.CAN_EXPIRE, announced.is_not(None), soon.is_not(True))
    unknown = sa.and_(sa.or_(expiry.CAN_EXPIRE.is_not(True), announced.is_(None)), soon.is_not(True))
    known = [_time_segment(soon, expiry.EXPIRES_AT, falls), _time_segment(later, announced, falls)]
    return known, [SortSegment(condition=unknown)]


def _time_segment(condition: sa.ColumnElement[bool], key: _Column, falls: bool) -> SortSegment:
    return SortSegment(
        condition=condition, key=key, key_type=datetime, tiebreaker=OAuthGrant.mailbox_id, descending=falls
    )


_SEGMENT_BUILDERS: dict[str, Callable[[bool, int], _SegmentGroups]] = {
    "address": _segments_by_address,
    "attention": _segments_by_attention,
    "since": _segments_by_since,
    "day": _segments_by_day,
    "refreshed": _segments_by_refresh,
    "expires": _segments_by_expiry,
}


def _is_valid_cursor(order: Order, place: Any, key: Any, last: Any) -> bool:
    """Tell whether the parts of a cursor are of the types that its stretch compares with."""
    known = sort_segments(order, expiring_days=0)
    if type(place) is not int or not 0 <= place < len(known):
        return False
    return type(key) is known[place].key_type and type(last) is known[place].tiebreaker_type

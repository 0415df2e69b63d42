"""Sort orders of the list, and the cursors for keyset pagination.

An order is a sequence of segments, for example the mailboxes with a last refresh, sorted by it, then those without one,
sorted by address. So each query has one simple condition and one simple order, which an index supports.
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
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.oauth import expiry
from gmail_warmup.web.queries.filters import Group, in_group

_Column = sa.SQLColumnExpression[Any]

SORT_KEY = "sort_key"
"""Column with the sort key that a sorted query adds to those of a mailbox."""

URGENCY = (Group.NEEDS_REAUTH, Group.BLOCKED, Group.SUSPECT, Group.EXPIRING)
"""Groups that need attention, most urgent first: a person can repair the first ones immediately."""


class Order(StrEnum):
    """Sort order of the list; a minus sign means descending."""

    ADDRESS = "address"
    ADDRESS_DOWN = "-address"
    ATTENTION = "attention"
    """Mailboxes that need attention first."""
    ATTENTION_DOWN = "-attention"
    SINCE = "since"
    SINCE_DOWN = "-since"
    DAY = "day"
    """Day of the warmup; pool mailboxes have none."""
    DAY_DOWN = "-day"
    REFRESHED = "refreshed"
    REFRESHED_DOWN = "-refreshed"
    EXPIRES = "expires"
    EXPIRES_DOWN = "-expires"
    OWNER = "owner"
    OWNER_DOWN = "-owner"

    @property
    def column(self) -> str:
        """Return the sort column without the direction."""
        return self.value.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Return whether the order is descending."""
        return self.value.startswith("-")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A position in the list. It stays valid if the mailbox at this position changes or is removed."""

    order: Order
    segment: int
    key: int | datetime | str | None
    """None in a segment that is sorted by address only."""
    tiebreaker: int | str
    """Address or id, which distinguishes mailboxes with the same key."""

    def __str__(self) -> str:
        """Return the opaque text for links and API clients."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        parts = json.dumps([self.order.value, self.segment, key, self.tiebreaker], separators=(",", ":"))
        return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, order: Order) -> Cursor:
        """Parse the text of a cursor.

        Raises:
            InvalidInputError: if it is not a position in the list of this order.
        """
        try:
            name, segment, key, tiebreaker = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if name != order or type(segment) is not int or segment < 0:
                raise ValueError(name)
            expected = sort_segments(order, expiring_days=0)[segment]
            if expected.key_type is datetime:
                key = datetime.fromisoformat(key)
            if (type(key), type(tiebreaker)) != (expected.key_type, expected.tiebreaker_type):
                raise ValueError(name)
        except (ValueError, TypeError, IndexError, RecursionError):
            raise InvalidInputError(
                f"after and before: not a position in the list sorted by '{order.value}'. Pass next_after or "
                "previous_before of one of its pages, or nothing for the first page."
            ) from None
        key, tiebreaker = (to_storable_text(part) if isinstance(part, str) else part for part in (key, tiebreaker))
        return cls(order=order, segment=segment, key=key, tiebreaker=tiebreaker)


@dataclass(frozen=True, kw_only=True)
class SortSegment:
    """A part of an order: the mailboxes that meet a condition, sorted by a key and a tiebreaker."""

    condition: sa.ColumnElement[bool]
    key: _Column | None = None
    """None to sort by the tiebreaker only."""
    key_type: type = NoneType
    tiebreaker: _Column = field(default_factory=lambda: Mailbox.address)
    """The address; or the id, if an index contains key and id."""
    descending: bool = False

    @property
    def tiebreaker_type(self) -> type:
        """Return the type of the tiebreaker."""
        return str if self.tiebreaker is Mailbox.address else int

    def sort_query(self, query: sa.Select[Any], edge: Cursor | None, *, backwards: bool) -> sa.Select[Any]:
        """Sort a query, add the column SORT_KEY, and start after a cursor in this segment, if given."""
        columns = (self.tiebreaker,) if self.key is None else (self.key, self.tiebreaker)
        descending = self.descending != backwards
        if edge:
            values = (edge.tiebreaker,) if self.key is None else (edge.key, edge.tiebreaker)
            position, start = sa.tuple_(*columns), sa.tuple_(*map(sa.literal, values))
            query = query.where(position < start if descending else position > start)
        query = query.where(self.condition).add_columns((sa.null() if self.key is None else self.key).label(SORT_KEY))
        return query.order_by(*(column.desc() if descending else column.asc() for column in columns))

    def cursor_at(self, row: sa.Row[Any], order: Order, number: int) -> Cursor:
        """Return the cursor of a row of the sorted query; ``number`` is the index of this segment in its order."""
        tiebreaker = row.address if self.tiebreaker_type is str else row.id
        return Cursor(order=order, segment=number, key=row._mapping[SORT_KEY], tiebreaker=tiebreaker)


def sort_segments(order: Order, *, expiring_days: int) -> list[SortSegment]:
    """Return the segments of an order, first to last. Unknown values are last in both directions."""
    known, unknown = _SEGMENT_BUILDERS[order.column](order.is_descending, expiring_days)
    return [*(reversed(known) if order.is_descending else known), *unknown]


_SegmentGroups = tuple[list[SortSegment], list[SortSegment]]


def _segments_by_address(descending: bool, _: int) -> _SegmentGroups:
    return [SortSegment(condition=sa.true(), descending=descending)], []


def _segments_by_attention(descending: bool, expiring_days: int) -> _SegmentGroups:
    """Sort the few mailboxes that need attention by urgency; all others follow by address."""
    groups = [in_group(group, expiring_days) for group in URGENCY]
    urgency = sa.case(*((group, rank) for rank, group in enumerate(groups[:-1])), else_=len(groups) - 1)
    needed = SortSegment(condition=sa.or_(*groups), key=urgency, key_type=int, descending=descending)
    return [needed, SortSegment(condition=sa.or_(*groups).is_not(True), descending=descending)], []


def _segments_by_since(descending: bool, _: int) -> _SegmentGroups:
    return [_time_segment(sa.true(), OAuthGrant.state_since, descending)], []


def _segments_by_day(descending: bool, _: int) -> _SegmentGroups:
    days = Mailbox.warmup_days
    warms_up = SortSegment(
        condition=Mailbox.kind == MailboxKind.WARMUP,
        key=days,
        key_type=int,
        tiebreaker=Mailbox.id,
        descending=descending,
    )
    return [warms_up], [SortSegment(condition=Mailbox.kind != MailboxKind.WARMUP)]


def _segments_by_refresh(descending: bool, _: int) -> _SegmentGroups:
    at = OAuthGrant.refreshed_at
    return [_time_segment(at.is_not(None), at, descending)], [SortSegment(condition=at.is_(None))]


def _segments_by_expiry(descending: bool, expiring_days: int) -> _SegmentGroups:
    """Sort by the expiry that the page shows, which omits the six months of inactivity."""
    soon, announced = expiry.expires_within(expiring_days), OAuthGrant.refresh_expires_at
    later = sa.and_(expiry.CAN_EXPIRE, announced.is_not(None), soon.is_not(True))
    unknown = sa.and_(sa.or_(expiry.CAN_EXPIRE.is_not(True), announced.is_(None)), soon.is_not(True))
    known = [_time_segment(soon, expiry.EXPIRES_AT, descending), _time_segment(later, announced, descending)]
    return known, [SortSegment(condition=unknown)]


def _segments_by_owner(descending: bool, _: int) -> _SegmentGroups:
    owner = Mailbox.owner_email
    known = SortSegment(
        condition=owner.is_not(None), key=owner, key_type=str, tiebreaker=Mailbox.id, descending=descending
    )
    return [known], [SortSegment(condition=owner.is_(None))]


def _time_segment(condition: sa.ColumnElement[bool], key: _Column, descending: bool) -> SortSegment:
    return SortSegment(
        condition=condition, key=key, key_type=datetime, tiebreaker=OAuthGrant.mailbox_id, descending=descending
    )


_SEGMENT_BUILDERS: dict[str, Callable[[bool, int], _SegmentGroups]] = {
    "address": _segments_by_address,
    "attention": _segments_by_attention,
    "since": _segments_by_since,
    "day": _segments_by_day,
    "refreshed": _segments_by_refresh,
    "expires": _segments_by_expiry,
    "owner": _segments_by_owner,
}

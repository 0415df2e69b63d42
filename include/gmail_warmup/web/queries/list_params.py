"""URL parameters of the list page, and links to its variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.option_types import parse_date
from gmail_warmup.core.urls import LIST_PATH
from gmail_warmup.db.models import MailboxKind, ReadinessState
from gmail_warmup.web.queries.columns import Column, format_columns, parse_columns
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.queries.mailboxes import DEFAULT_PAGE_SIZE, MailboxQuery
from gmail_warmup.web.queries.sorting import Cursor, Order
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

PAGE_SIZES = (25, 50, 100, 250)
_CHOICES, _TEXT_FILTERS = ("state", "kind", "readiness"), ("domain", "tag", "owner", "client", "q")
"""The filters of the list: those of a closed set of values, and texts."""

_Value = TypeVar("_Value", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class ListParams:
    """Filter, order and page of the list, named like the URL parameters."""

    state: Group | None = None
    kind: MailboxKind | None = None
    readiness: ReadinessState | None = None
    domain: str = ""
    tag: str = ""
    owner: str = ""
    client: str = ""
    q: str = ""
    sort: Order = Order.ADDRESS
    size: int = DEFAULT_PAGE_SIZE
    after: Cursor | None = None
    before: Cursor | None = None
    columns: tuple[Column, ...] | None = None
    """None if the URL names none: the choice of the browser applies."""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ListParams:
        """Parse the URL parameters. Invalid values are ignored, so that an outdated link still works."""
        sort = parse_choice(Order, query.get("sort", "")) or Order.ADDRESS
        size = query.get("size", "")
        return cls(
            state=parse_choice(Group, query.get("state", "")),
            kind=parse_choice(MailboxKind, query.get("kind", "")),
            readiness=parse_choice(ReadinessState, query.get("readiness", "")),
            **{name: query.get(name, "").strip()[:MAX_TEXT_LENGTH] for name in _TEXT_FILTERS},
            sort=sort,
            size=int(size) if size in map(str, PAGE_SIZES) else DEFAULT_PAGE_SIZE,
            after=_parse_cursor(query.get("after", ""), sort),
            before=_parse_cursor(query.get("before", ""), sort),
            columns=parse_columns(query.get("columns", "")),
        )

    @property
    def filter(self) -> MailboxFilter:
        """Return the filter for the queries."""
        return MailboxFilter(
            group=self.state,
            kind=self.kind,
            readiness=self.readiness,
            domain=self.domain,
            tag=self.tag,
            owner=self.owner,
            client=self.client,
            search=self.q,
        )

    @property
    def api_filter(self) -> dict[str, str]:
        """Return the filter as parameters of the API."""
        return {name: str(value) for name in (*_CHOICES, *_TEXT_FILTERS) if (value := getattr(self, name))}

    @property
    def columns_text(self) -> str:
        """Return the columns as a URL parameter; empty if the URL names none."""
        return "" if self.columns is None else format_columns(self.columns)

    @property
    def mailbox_query(self) -> MailboxQuery:
        """Return filter, order and page for the queries."""
        return MailboxQuery(filter=self.filter, order=self.sort, after=self.after, before=self.before, limit=self.size)

    def build_link(self, **changes: Any) -> str:
        """Return a relative link to this list with changed parameters; the first page unless a cursor is given."""
        other = replace(self, **{"after": None, "before": None} | changes)
        query = other.api_filter
        if other.sort != Order.ADDRESS:
            query["sort"] = str(other.sort)
        if other.size != DEFAULT_PAGE_SIZE:
            query["size"] = str(other.size)
        if other.columns_text:
            query["columns"] = other.columns_text
        cursors = {"after": other.after, "before": other.before}
        query |= {name: str(cursor) for name, cursor in cursors.items() if cursor}
        return f".{LIST_PATH}?{urlencode(query)}" if query else f".{LIST_PATH}"

    def build_clear_link(self, *, state: Group | None = None) -> str:
        """Return a relative link to this list without its filters, or with a state as the only one."""
        cleared = dict.fromkeys(_CHOICES) | dict.fromkeys(_TEXT_FILTERS, "")
        return self.build_link(**cleared | {"state": state})

    def sort_link(self, column: str) -> str:
        """Return a link to this list sorted by a column; descending if it is already sorted by it ascending."""
        descending = self.sort.column == column and not self.sort.is_descending
        return self.build_link(sort=Order(f"-{column}" if descending else column))


def parse_choice(kind: type[_Value], value: str) -> _Value | None:
    """Return the member with this value, or None."""
    return next((member for member in kind if member.value == value), None)


def parse_day(text: str) -> date | None:
    """Return an ISO date of the years 2000 to 2999, or None."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 3000 else None


def _parse_cursor(text: str, order: Order) -> Cursor | None:
    try:
        return Cursor.parse(text[:1000], order) if text else None
    except InvalidInputError:
        return None

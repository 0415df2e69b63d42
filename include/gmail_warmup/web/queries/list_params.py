"""What the address of the list asks for, and the addresses of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.queries.mailboxes import DEFAULT_PAGE_SIZE, MailboxQuery
from gmail_warmup.web.queries.sorting import Cursor, Order

PAGE_SIZES = (25, 50, 100, 250)
_MAX_TEXT_LENGTH = 320

_Value = TypeVar("_Value", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class ListParams:
    """Filter, order and page of the list, by the names that they have in its address."""

    state: Group | None = None
    kind: MailboxKind | None = None
    domain: str = ""
    q: str = ""
    sort: Order = Order.ADDRESS
    size: int = DEFAULT_PAGE_SIZE
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ListParams:
        """Read an address. What it holds that is not known is left out: an old link still lists something."""
        sort = _parse_choice(Order, query.get("sort", "")) or Order.ADDRESS
        size = query.get("size", "")
        return cls(
            state=_parse_choice(Group, query.get("state", "")),
            kind=_parse_choice(MailboxKind, query.get("kind", "")),
            domain=query.get("domain", "").strip()[:_MAX_TEXT_LENGTH],
            q=query.get("q", "").strip()[:_MAX_TEXT_LENGTH],
            sort=sort,
            size=int(size) if size in map(str, PAGE_SIZES) else DEFAULT_PAGE_SIZE,
            after=_parse_cursor(query.get("after", ""), sort),
            before=_parse_cursor(query.get("before", ""), sort),
        )

    @property
    def filter(self) -> MailboxFilter:
        """Return the filter as the queries take it."""
        return MailboxFilter(group=self.state, kind=self.kind, domain=self.domain, search=self.q)

    @property
    def api_filter(self) -> dict[str, str]:
        """Return the filter as the API takes it."""
        given = {"state": self.state, "kind": self.kind, "domain": self.domain, "q": self.q}
        return {name: str(value) for name, value in given.items() if value}

    @property
    def mailbox_query(self) -> MailboxQuery:
        """Return it as the queries take it."""
        return MailboxQuery(filter=self.filter, order=self.sort, after=self.after, before=self.before, limit=self.size)

    def build_link(self, **changes: Any) -> str:
        """Return the relative address of this list with some changes, at its first page unless they say otherwise."""
        other = replace(self, **{"after": None, "before": None} | changes)
        given = other.api_filter
        if other.sort != Order.ADDRESS:
            given["sort"] = str(other.sort)
        if other.size != DEFAULT_PAGE_SIZE:
            given["size"] = str(other.size)
        places = {"after": other.after, "before": other.before}
        given |= {name: str(place) for name, place in places.items() if place}
        return f"./?{urlencode(given)}" if given else "./"

    def sort_link(self, column: str) -> str:
        """Return the address of this list sorted by a column; the other way round if it is so already."""
        turned = self.sort.column == column and not self.sort.is_descending
        return self.build_link(sort=Order(f"-{column}" if turned else column))


def _parse_choice(kind: type[_Value], value: str) -> _Value | None:
    return next((member for member in kind if member.value == value), None)


def _parse_cursor(text: str, order: Order) -> Cursor | None:
    try:
        return Cursor.parse(text[:1000], order) if text else None
    except InvalidInputError:
        return None

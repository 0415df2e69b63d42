"""What the address of the list asks for, and the addresses of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.web.queries.filters import Filter, Group
from gmail_warmup.web.queries.mailboxes import PAGE, Wanted
from gmail_warmup.web.queries.sorting import Cursor, Order

SIZES = (25, 50, 100, 250)
_LONGEST = 320

_Value = TypeVar("_Value", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Filter, order and page of the list, by the names that they have in its address."""

    state: Group | None = None
    kind: MailboxKind | None = None
    domain: str = ""
    q: str = ""
    sort: Order = Order.ADDRESS
    size: int = PAGE
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Listing:
        """Read an address. What it holds that is not known is left out: an old link still lists something."""
        sort = _choice(Order, query.get("sort", "")) or Order.ADDRESS
        size = query.get("size", "")
        return cls(
            state=_choice(Group, query.get("state", "")),
            kind=_choice(MailboxKind, query.get("kind", "")),
            domain=query.get("domain", "").strip()[:_LONGEST],
            q=query.get("q", "").strip()[:_LONGEST],
            sort=sort,
            size=int(size) if size in map(str, SIZES) else PAGE,
            after=_place(query.get("after", ""), sort),
            before=_place(query.get("before", ""), sort),
        )

    @property
    def filter(self) -> Filter:
        """Return the filter as the queries take it."""
        return Filter(group=self.state, kind=self.kind, domain=self.domain, search=self.q)

    @property
    def asked(self) -> dict[str, str]:
        """Return the filter as the API takes it."""
        given = {"state": self.state, "kind": self.kind, "domain": self.domain, "q": self.q}
        return {name: str(value) for name, value in given.items() if value}

    @property
    def wanted(self) -> Wanted:
        """Return it as the queries take it."""
        return Wanted(filter=self.filter, order=self.sort, after=self.after, before=self.before, limit=self.size)

    def link(self, **changes: Any) -> str:
        """Return the relative address of this list with some changes, at its first page unless they say otherwise."""
        other = replace(self, **{"after": None, "before": None} | changes)
        given = other.asked
        if other.sort != Order.ADDRESS:
            given["sort"] = str(other.sort)
        if other.size != PAGE:
            given["size"] = str(other.size)
        places = {"after": other.after, "before": other.before}
        given |= {name: str(place) for name, place in places.items() if place}
        return f"./?{urlencode(given)}" if given else "./"

    def sorted_by(self, column: str) -> str:
        """Return the address of this list sorted by a column; the other way round if it is so already."""
        turned = self.sort.column == column and not self.sort.descending
        return self.link(sort=Order(f"-{column}" if turned else column))


def _choice(kind: type[_Value], value: str) -> _Value | None:
    return next((member for member in kind if member.value == value), None)


def _place(text: str, order: Order) -> Cursor | None:
    try:
        return Cursor.parse(text[:1000], order) if text else None
    except InvalidInputError:
        return None

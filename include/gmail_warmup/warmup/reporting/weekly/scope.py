"""What a weekly report is about: all mailboxes, those of a domain, or those with a tag; and its week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.addresses import normalize_domain
from gmail_warmup.mailboxes.tags import has_tag, normalize_tag

WEEK = timedelta(days=7)
EARLIEST_DAY = date(2000, 1, 1)
"""No installation is as old; the dates around an earlier day may not exist."""


class ScopeKind(StrEnum):
    """The mailboxes of a report."""

    FLEET = "fleet"
    """All mailboxes."""
    DOMAIN = "domain"
    """The mailboxes of one domain."""
    TAG = "tag"
    """The mailboxes with one tag."""


@dataclass(frozen=True, kw_only=True)
class ReportScope:
    """The mailboxes of a report; ``name`` is the domain or the tag in its stored form."""

    kind: ScopeKind = ScopeKind.FLEET
    name: str = ""

    def __str__(self) -> str:
        """Return the scope as words."""
        return "all mailboxes" if self.kind is ScopeKind.FLEET else f"{self.kind.value} {self.name}"

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """Return the condition that a mailbox belongs to the report."""
        if self.kind is ScopeKind.DOMAIN:
            return Mailbox.domain == self.name
        return has_tag(self.name) if self.kind is ScopeKind.TAG else sa.true()

    def describe_lack(self, connection: sa.Connection) -> str:
        """Return that no mailbox belongs to the report; empty if one does, or if it is about all mailboxes."""
        if self.kind is ScopeKind.FLEET or connection.scalar(sa.select(sa.exists().where(self.condition))):
            return ""
        belongs = "has the tag" if self.kind is ScopeKind.TAG else "belongs to the domain"
        return f"No mailbox {belongs} {self.name}."


def build_scope(*, domain: str = "", tag: str = "") -> ReportScope:
    """Return the scope of a domain or a tag; of all mailboxes if both are empty.

    Raises:
        InvalidInputError: if both are given, or the tag breaks a rule.
    """
    if domain.strip() and tag.strip():
        raise InvalidInputError("Give either a domain or a tag; a report is about one of them.")
    if domain.strip():
        return ReportScope(kind=ScopeKind.DOMAIN, name=normalize_domain(domain))
    return ReportScope(kind=ScopeKind.TAG, name=normalize_tag(tag)) if tag.strip() else ReportScope()


def parse_scope(text: str) -> ReportScope:
    """Return the scope of ``fleet``, ``domain:NAME`` or ``tag:NAME``.

    Raises:
        ValueError: if the text has another form.
    """
    kind, _, name = text.strip().partition(":")
    if kind.strip().lower() == ScopeKind.FLEET and not name.strip():
        return ReportScope()
    if kind.strip().lower() in (ScopeKind.DOMAIN, ScopeKind.TAG) and name.strip():
        return build_scope(**{kind.strip().lower(): name})
    raise ValueError("must list fleet, domain:NAME or tag:NAME, for example fleet, domain:example.com")


def find_week(day: date | None, *, today: date) -> date:
    """Return the Monday of the week of a day; of the last complete week without a day.

    Raises:
        InvalidInputError: if the week has not begun, or is before that of ``EARLIEST_DAY``.
    """
    if day and day < EARLIEST_DAY:
        raise InvalidInputError(f"The week of {day} is too early. Give a day from {EARLIEST_DAY} on.")
    start = start_of_week(day) if day else start_of_week(today) - WEEK
    if start > today:
        raise InvalidInputError(f"The week of {day} has not begun. Give a day until {today}.")
    return start


def start_of_week(day: date) -> date:
    """Return the Monday of the week of a day."""
    return day - timedelta(days=day.weekday())

"""Sums of the mails of a period for the overview: by day, by domain, and of today."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import DomainDay, Mailbox, MailboxDay
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.warmup.reporting import domain_volumes
from gmail_warmup.warmup.reporting.counts import compute_placement_percent, count_known_placements
from gmail_warmup.warmup.reporting.domain_days import SUMMED_COLUMNS, select_sums
from gmail_warmup.warmup.reporting.mailbox_sums import select_mailbox_sums
from gmail_warmup.web.queries.filters import MailboxFilter, build_conditions

_D = DomainDay
EVERYTHING = MailboxFilter()


@dataclass(frozen=True, kw_only=True)
class MailSums:
    """Counts of first mails by name; see ``MailboxDay``."""

    counts: dict[str, int]

    def __getattr__(self, name: str) -> int:
        """Return a count."""
        if name not in SUMMED_COLUMNS:
            raise AttributeError(name)
        return self.counts[name]

    @property
    def placed(self) -> int:
        """Return the number of mails that were found or are missing."""
        return count_known_placements(self.counts)

    def percent(self, name: str) -> float | None:
        """Return a placement in per cent of the mails that were found or are missing."""
        return compute_placement_percent(self.counts, name)


@dataclass(frozen=True, kw_only=True)
class DomainSums:
    """The number of domains with mails, and the sums of those with most mails."""

    count: int
    largest: dict[str, MailSums]


def add_up(parts: Iterable[MailSums]) -> MailSums:
    """Return the sum of several sums."""
    listed = [part.counts for part in parts]
    return MailSums(counts={name: sum(counts[name] for counts in listed) for name in SUMMED_COLUMNS})


def load_days(
    connection: sa.Connection, mailbox_filter: MailboxFilter = EVERYTHING, *, days: int
) -> dict[dt.date, MailSums]:
    """Return the sums of the last local days, including today; oldest first."""
    rows = connection.execute(_select_sums("local_date", days=days, mailbox_filter=mailbox_filter))
    return {row.local_date: _to_sums(row) for row in sorted(rows, key=lambda row: row.local_date)}


def load_domains(
    connection: sa.Connection, mailbox_filter: MailboxFilter = EVERYTHING, *, days: int, limit: int
) -> DomainSums:
    """Return the sums of the domains that sent most mails in the last local days, including today."""
    rows = connection.execute(_select_domains(mailbox_filter, days, limit)).all()
    return DomainSums(count=rows[0].domains if rows else 0, largest={row.domain: _to_sums(row) for row in rows})


@cache_statement
def _select_domains(mailbox_filter: MailboxFilter, days: int, limit: int) -> sa.Select[Any]:
    query = _select_sums("domain", days=days, mailbox_filter=mailbox_filter)
    return query.add_columns(sa.func.count().over().label("domains")).order_by(sa.desc("sent"), "domain").limit(limit)


def load_today(connection: sa.Connection, mailbox_filter: MailboxFilter = EVERYTHING) -> MailSums:
    """Return the sums of the current local day of each mailbox."""
    return _to_sums(connection.execute(_select_sums(days=1, mailbox_filter=mailbox_filter)).one())


@cache_statement
def _select_sums(*names: str, days: int, mailbox_filter: MailboxFilter) -> sa.Select[Any]:
    """Return the sums by date or domain. They are stored by domain, so those of a tag are counted."""
    if not mailbox_filter.tag:
        return select_sums(*(getattr(_D, name) for name in names), days=days, domain=mailbox_filter.domain)
    columns = {"local_date": MailboxDay.local_date, "domain": Mailbox.domain}
    conditions = build_conditions(mailbox_filter, expiring_days=0)
    return select_mailbox_sums(*(columns[name] for name in names), days=days, conditions=conditions)


@dataclass(frozen=True, kw_only=True)
class DailyTotals:
    """Mails of today: planned, sent, and delivered to spam."""

    planned: int = 0
    sent: int = 0
    spam: int = 0


def count_today(connection: sa.Connection, settings: Settings) -> DailyTotals:
    """Sum up today's mails, including the volume of mailboxes that have not started their day and may still send."""
    today, planned = load_today(connection), domain_volumes.load_volume(connection, settings).planned
    return DailyTotals(planned=planned, sent=today.sent, spam=today.spam)


def _to_sums(row: sa.Row[Any]) -> MailSums:
    values = row._mapping
    return MailSums(counts={name: int(values[name]) for name in SUMMED_COLUMNS})

"""The figures of a weekly report, read from the daily sums alone: mails by day, and grants by state and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, HealthBand, MailboxKind, ReadinessState
from gmail_warmup.db.models import DomainDay, GrantDay, Mailbox, MailboxDay, OAuthGrant
from gmail_warmup.warmup.health.failures import count_not_working
from gmail_warmup.warmup.readiness.store import load_domain_readiness
from gmail_warmup.warmup.reporting.counts import compute_placement_percent
from gmail_warmup.warmup.reporting.weekly.scope import WEEK, ReportScope, ScopeKind

MAIL_COUNTS = ("planned", "sent", "inbox", "elsewhere", "spam", "missing", "rescued", "read", "replied", "bounced",
               "rejected")  # fmt: skip
"""The counts of a report; see ``MailboxDay``."""
DOMAINS_SHOWN = 50
_D, _G = DomainDay, GrantDay
_LAST_DAY = timedelta(days=6)


@dataclass(frozen=True, kw_only=True)
class WeekMails:
    """Counts of first mails by name; see ``MailboxDay``."""

    counts: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        """Return a count."""
        return self.counts[name]

    def percent(self, name: str) -> float | None:
        """Return a placement in per cent of the mails that were found or are missing; None without any."""
        return compute_placement_percent(self.counts, name)


@dataclass(frozen=True, kw_only=True)
class PresentNumbers:
    """Numbers of mailboxes when the report is made.

    Attributes:
        flagged: their grants need a person.
        blocked: their health stopped them until a person releases them.
        not_working: their tasks keep failing.
    """

    flagged: int
    blocked: int
    not_working: int
    readiness: Mapping[ReadinessState, int]
    cold_mails: int


def load_mails(connection: sa.Connection, scope: ReportScope, start: date) -> WeekMails:
    """Return the counts of the week that starts on a Monday, by the local dates of the mailboxes."""
    model: Any = MailboxDay if scope.kind is ScopeKind.TAG else DomainDay
    query = sa.select(*_sum_counts(model)).where(_is_in_week(model, start))
    if scope.kind is ScopeKind.TAG:
        query = query.join(Mailbox, Mailbox.id == MailboxDay.mailbox_id).where(scope.condition)
    elif scope.kind is ScopeKind.DOMAIN:
        query = query.where(_D.domain == scope.name)
    else:  # a row for all domains, or the rows that are not part of one yet
        query = query.where(sa.or_(_D.domain.is_(None), _D.timezone != ""))
    return _to_mails(connection.execute(query).one())


def load_domain_mails(
    connection: sa.Connection, start: date, *, only: Sequence[str] | None = None
) -> dict[str, WeekMails]:
    """Return the counts of the week of these domains; without any, of the domains that sent most mails."""
    query = sa.select(_D.domain, *_sum_counts(_D)).where(_is_in_week(_D, start)).group_by(_D.domain)
    if only is None:
        query = query.where(_D.domain.is_not(None)).order_by(sa.desc("sent"), _D.domain).limit(DOMAINS_SHOWN)
    else:
        query = query.where(_D.domain.in_(only))
    return {row.domain: _to_mails(row) for row in connection.execute(query)}


def _sum_counts(model: Any) -> list[sa.Label[int]]:
    return [sa.func.coalesce(sa.func.sum(getattr(model, name)), 0).label(name) for name in MAIL_COUNTS]


def _is_in_week(model: Any, start: date) -> sa.ColumnElement[bool]:
    is_in_week: sa.ColumnElement[bool] = model.local_date.between(start, start + _LAST_DAY)
    return is_in_week


def _to_mails(row: Any) -> WeekMails:
    return WeekMails(counts={name: int(row._mapping[name]) for name in MAIL_COUNTS})


def load_grants(connection: sa.Connection, scope: ReportScope, start: date) -> dict[GrantState, int] | None:
    """Return the grants by state at the last audit of a week; None without an audit, and for a tag.

    The daily sums have no tags.
    """
    if scope.kind is ScopeKind.TAG:
        return None
    is_scope = sa.and_(_G.domain == scope.name, _G.day.between(start, start + _LAST_DAY))
    last = sa.select(sa.func.max(_G.day)).where(is_scope).scalar_subquery()
    query = sa.select(_G.state, sa.func.sum(_G.mailboxes).label("mailboxes")).where(is_scope, _G.day == last)
    return _to_states(connection.execute(query.group_by(_G.state)).all()) or None


def count_grants(connection: sa.Connection, scope: ReportScope) -> dict[GrantState, int]:
    """Return the present number of grants by state."""
    query = sa.select(OAuthGrant.state, sa.func.count().label("mailboxes"))
    query = query.join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id).where(scope.condition)
    return _to_states(connection.execute(query.group_by(OAuthGrant.state)).all())


def _to_states(rows: Any) -> dict[GrantState, int]:
    found = {row.state: int(row.mailboxes) for row in rows}
    return {state: found.get(state.value, 0) for state in GrantState} if found else {}


def load_present_numbers(connection: sa.Connection, scope: ReportScope) -> PresentNumbers:
    """Return what needs a person now, and how many mailboxes are ready."""
    is_flagged = OAuthGrant.state.in_(FLAGGED_STATES)
    is_blocked = sa.and_(Mailbox.kind == MailboxKind.WARMUP, Mailbox.band == HealthBand.BLOCKED)
    counts = sa.select(
        sa.func.count().filter(is_flagged).label("flagged"), sa.func.count().filter(is_blocked).label("blocked")
    ).select_from(Mailbox)
    present = connection.execute(
        counts.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id).where(scope.condition)
    ).one()
    domains = load_domain_readiness(connection, scope.condition)
    return PresentNumbers(
        flagged=present.flagged,
        blocked=present.blocked,
        not_working=count_not_working(connection, scope.condition),
        readiness={state: sum(one.mailboxes.get(state, 0) for one in domains) for state in ReadinessState},
        cold_mails=sum(one.cold_mails for one in domains),
    )


def previous_week(start: date) -> date:
    """Return the Monday of the week before."""
    return start - WEEK

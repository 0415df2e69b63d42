"""The weekly report: what was sent and where it arrived, grants, what needs a person, and the week before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import READINESS_LABELS, STATE_LABELS, GrantState
from gmail_warmup.db.clock import get_current_time
from gmail_warmup.transfer import csv_format
from gmail_warmup.warmup.reporting.weekly import figures
from gmail_warmup.warmup.reporting.weekly.figures import PresentNumbers, WeekMails
from gmail_warmup.warmup.reporting.weekly.scope import WEEK, ReportScope, ScopeKind, find_week

_MAIL_LABELS = {
    "planned": "Planned", "sent": "Sent", "inbox": "Inbox", "elsewhere": "Elsewhere", "spam": "Spam",
    "missing": "Missing", "rescued": "Rescued from spam", "read": "Opened", "replied": "Replies", "bounced": "Bounces",
    "rejected": "Bounces: rejected as spam or by policy",
}  # fmt: skip
_PLACES = ("inbox", "elsewhere", "spam", "missing")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a report; ``percent`` and ``before`` are None if they are not known or make no sense."""

    code: str
    label: str
    number: int
    before: int | None = None
    percent: float | None = None
    percent_before: float | None = None

    @property
    def change(self) -> int | None:
        """Return the difference to the week before."""
        return None if self.before is None else self.number - self.before


@dataclass(frozen=True, kw_only=True)
class DomainFigures:
    """The mails of one domain."""

    domain: str
    mails: WeekMails
    before: WeekMails | None


@dataclass(frozen=True, kw_only=True)
class WeeklyReport:
    """A report about one week, which starts on a Monday. It contains no address of a mailbox."""

    scope: ReportScope
    start: date
    is_complete: bool
    mails: list[Figure]
    grants: list[Figure]
    grants_day: str
    """Of when the grants are."""
    needs_person: list[Figure]
    readiness: list[Figure]
    domains: list[DomainFigures]
    note: str
    """That no mailbox has the tag or belongs to the domain now; otherwise empty."""

    @property
    def end(self) -> date:
        """Return the Sunday."""
        return self.start + timedelta(days=6)

    @property
    def title(self) -> str:
        """Return what the report is about."""
        year = f"{self.start:%Y} " if self.start.year != self.end.year else ""
        month = f"{self.start:%B} " if self.start.month != self.end.month else ""
        first = f"{self.start.day} {month}{year}".strip()
        return f"Weekly report, {first} to {self.end.day} {self.end:%B %Y}: {self.scope}"

    @property
    def sections(self) -> list[tuple[str, list[Figure]]]:
        """Return the figures with a title each."""
        return [
            ("Mails", self.mails),
            (f"Grants ({self.grants_day})", self.grants),
            ("Needs a person now", self.needs_person),
            ("Readiness now", self.readiness),
        ]


def load_weekly_report(connection: sa.Connection, scope: ReportScope, *, week: date | None = None) -> WeeklyReport:
    """Return the report about the week of a day; about the last complete week without one.

    Raises:
        InvalidInputError: if the week has not begun.
    """
    today = get_current_time(connection).date()
    start = find_week(week, today=today)
    before = figures.previous_week(start)
    present = figures.load_present_numbers(connection, scope)
    mails, mails_before = (figures.load_mails(connection, scope, each) for each in (start, before))
    grants, grants_day = figures.load_grants(connection, scope, start), "last audit of the week"
    if grants is None:
        grants, grants_day = figures.count_grants(connection, scope), "now"
    return WeeklyReport(
        scope=scope,
        start=start,
        is_complete=start + WEEK <= today,
        mails=list(_build_mails(mails, mails_before)),
        grants=list(_build_grants(grants, figures.load_grants(connection, scope, before))),
        grants_day=grants_day,
        needs_person=list(_build_needs(present)),
        readiness=list(_build_readiness(present)),
        domains=_load_domains(connection, start, before) if scope.kind is ScopeKind.FLEET else [],
        note=scope.describe_lack(connection),
    )


def _build_mails(mails: WeekMails, before: WeekMails) -> Iterator[Figure]:
    for name in figures.MAIL_COUNTS:
        is_place = name in _PLACES
        yield Figure(
            code=name,
            label=_MAIL_LABELS[name],
            number=mails[name],
            before=before[name],
            percent=mails.percent(name) if is_place else None,
            percent_before=before.percent(name) if is_place else None,
        )


def _build_grants(grants: dict[GrantState, int], before: dict[GrantState, int] | None) -> Iterator[Figure]:
    for state in GrantState:
        number = grants.get(state, 0)
        yield Figure(
            code=state.value, label=STATE_LABELS[state], number=number, before=before[state] if before else None
        )


def _build_needs(present: PresentNumbers) -> Iterator[Figure]:
    yield Figure(code="flagged", label="Grants to repair", number=present.flagged)
    yield Figure(code="blocked", label="Blocked by their health", number=present.blocked)
    yield Figure(code="not_working", label="Not working", number=present.not_working)


def _build_readiness(present: PresentNumbers) -> Iterator[Figure]:
    for state, number in present.readiness.items():
        yield Figure(code=state.value, label=READINESS_LABELS[state], number=number)
    yield Figure(code="cold_mails", label="Cold mails that may be sent today", number=present.cold_mails)


def _load_domains(connection: sa.Connection, start: date, before: date) -> list[DomainFigures]:
    shown = figures.load_domain_mails(connection, start)
    earlier = figures.load_domain_mails(connection, before, only=list(shown))
    return [DomainFigures(domain=domain, mails=mails, before=earlier.get(domain)) for domain, mails in shown.items()]


CSV_COLUMNS = ("section", "name", "number", "percent", "week_before", "percent_week_before")


def write_report_csv(report: WeeklyReport) -> str:
    """Return the figures as CSV, one per line; the figures of a domain have its name as the section."""
    lines = chain(_list_figures(report), _list_domain_figures(report))
    return "".join(csv_format.write_table(CSV_COLUMNS, (dict(zip(CSV_COLUMNS, line, strict=True)) for line in lines)))


def _list_figures(report: WeeklyReport) -> Iterator[tuple[Any, ...]]:
    sections = (("mails", report.mails), ("grants", report.grants), ("needs_person", report.needs_person),
                ("readiness", report.readiness))  # fmt: skip
    for section, listed in sections:
        for each in listed:
            yield section, each.code, each.number, each.percent, each.before, each.percent_before


def _list_domain_figures(report: WeeklyReport) -> Iterator[tuple[Any, ...]]:
    for domain in report.domains:
        for name in figures.MAIL_COUNTS:
            before = domain.before[name] if domain.before else 0
            yield f"domain {domain.domain}", name, domain.mails[name], None, before, None


def format_report(report: WeeklyReport) -> str:
    """Return the report as lines of text."""
    lines = [report.note]
    for title, listed in report.sections:
        lines += ["", f"{title}:", *(f"  {_format_figure(each)}" for each in listed)]
    for domain in report.domains[:10]:
        spam = domain.mails.percent("spam")
        lines.append(f"  {domain.domain}: {domain.mails['sent']} sent, {'-' if spam is None else spam} % spam")
    if report.domains:
        lines.insert(len(lines) - len(report.domains[:10]), "\nDomains with most mails:")
    return "\n".join(lines).strip()


def _format_figure(figure: Figure) -> str:
    percent = "" if figure.percent is None else f" ({figure.percent} %)"
    if figure.before is None:
        return f"{figure.label}: {figure.number}{percent}"
    earlier = "" if figure.percent_before is None else f" ({figure.percent_before} %)"
    return f"{figure.label}: {figure.number}{percent}, the week before {figure.before}{earlier}"

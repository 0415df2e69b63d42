"""The overview of all mailboxes over a period, or of those of one kind, domain and tag; page and API share it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import (
    BAND_LABELS,
    STATE_LABELS,
    Action,
    DnsRecord,
    DnsResult,
    GrantState,
    HealthBand,
    ReadinessState,
)
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.planning.backlog import count_backlogs
from gmail_warmup.warmup.reporting import domain_volumes, grant_days
from gmail_warmup.warmup.reporting.domain_days import SUMMED_COLUMNS
from gmail_warmup.warmup.reporting.domain_volumes import Volume
from gmail_warmup.web.queries import attention, expiries, filters, fleet, last_audit, sending_domains
from gmail_warmup.web.queries.attention import Attention, Cause, NeedyMailbox
from gmail_warmup.web.queries.fleet import DomainSums, MailSums
from gmail_warmup.web.queries.last_audit import AuditSummary
from gmail_warmup.web.queries.sending_domains import DomainState
from gmail_warmup.web.views.fleet_scope import FleetScope, Period
from gmail_warmup.web.views.health import reason_text

NEEDY_SHOWN, DOMAINS_SHOWN = 10, 20
MIN_CHART_DAYS = 30
"""Days of the charts, if the period is shorter."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Mails(_FrozenModel):
    """Counts of first mails of warmup mailboxes. Percentages refer to mails that were found or are missing."""

    planned: int = Field(description="Planned mails of the mailboxes that have begun their day.")
    sent: int
    failed: int
    inbox: int
    elsewhere: int = Field(description="Neither in the inbox nor in spam.")
    spam: int
    missing: int = Field(description="Not found at the recipient.")
    rescued: int
    read: int
    replied: int
    bounced: int
    rejected: int = Field(description="Those of the bounced mails that were rejected as spam or by policy.")
    inbox_percent: float | None
    spam_percent: float | None


class MailDay(Mails):
    """The mails of one local date."""

    date: dt.date


class Today(_FrozenModel):
    """The current local day of each mailbox."""

    planned: int = Field(description="Including the mailboxes that have not begun their day.")
    sent: int
    remaining: int = Field(description="Planned mails that are not sent yet; 0 while everything is stopped.")
    cold_mails: int = Field(description="Cold mails that the ready mailboxes may send today, as of the last DAG run.")
    readiness: dict[ReadinessState, int] = Field(
        description="Number of warmup mailboxes in each state of readiness, as of the last DAG run."
    )


class StateDay(_FrozenModel):
    """The number of grants in each state on one day (UTC)."""

    date: dt.date
    states: dict[GrantState, int]


class ExpiryDay(_FrozenModel):
    """The grants that expire on a day (UTC)."""

    date: dt.date
    mailboxes: int
    addresses: list[str] = Field(description="The first of them.")


class Needy(_FrozenModel):
    """A mailbox that needs a person."""

    address: str
    kind: MailboxKind
    cause: Cause
    label: str
    sentence: str
    since: dt.datetime
    can_reauthenticate: bool


class DomainFigures(Mails):
    """A sending domain: its mails, its most severe health band, and its DNS records."""

    domain: str
    band: HealthBand
    band_label: str
    restricted: int = Field(description="Mailboxes that send less or nothing because of their health.")
    records: dict[DnsRecord, DnsResult] = Field(
        description="Authentication of the last mail as Google reported it, or else the last DNS check."
    )


class Pool(_FrozenModel):
    """Whether the pool mailboxes can receive what the warmup mailboxes send; always for all domains."""

    receivers: int = Field(description="Pool mailboxes that work.")
    needed: int = Field(description="Pool mailboxes needed for the mails planned today.")
    missing: int
    needed_later: int = Field(description="Pool mailboxes needed when all ramps are finished.")
    missing_later: int
    counted_at: dt.datetime | None = Field(description="When the mailboxes were counted.")


class Waiting(_FrozenModel):
    """The mailboxes that wait for an action."""

    action: Action
    mailboxes: int
    since: dt.datetime | None


class Audit(_FrozenModel):
    """One finished audit."""

    started_at: dt.datetime
    finished_at: dt.datetime
    seconds: float
    mailboxes: int
    valid: int
    flagged: int
    suspect: int
    not_reached: int
    app_error: str | None = Field(description="Reason code, if Google refused the OAuth client.")
    sentence: str = Field(description="The reason as a sentence; empty if Google did not refuse the OAuth client.")


class Fleet(_FrozenModel):
    """The overview."""

    at: dt.datetime
    period: Period
    kind: MailboxKind | None
    domain: str
    tag: str
    mailboxes: int
    states: dict[GrantState, int] = Field(description="The present number of grants in each state.")
    today: Today
    mails: Mails = Field(description="The sums of the period.")
    by_day: list[MailDay] = Field(description="Oldest first; 30 days if the period is today.")
    grants: list[StateDay] = Field(
        description="The states at each daily audit, and now; oldest first. With a tag, only now."
    )
    expiries: list[ExpiryDay] = Field(description="The next 28 days.")
    needy_count: int = Field(description="Mailboxes that need a person.")
    needy: list[Needy] = Field(description="The first ten of them, oldest first.")
    restricted: int = Field(description="Warmup mailboxes that send less or nothing because of their health.")
    domain_count: int = Field(description="Domains that planned mails in the period.")
    domains: list[DomainFigures] = Field(description="The twenty domains with most mails.")
    pool: Pool
    backlog: list[Waiting]
    audits: list[Audit] = Field(description="The last five, newest first.")


def load_fleet(connection: sa.Connection, scope: FleetScope, settings: Settings, *, stopped: bool) -> Fleet:
    """Load the overview.

    Args:
        stopped: whether the kill switch is active.
    """
    found = attention.load_attention(connection, scope.to_filter(), limit=NEEDY_SHOWN)
    chart, total, domains, today = _load_mails(connection, scope)
    volume = domain_volumes.load_volume(connection, settings)
    return Fleet(
        at=found.at,
        period=scope.period,
        kind=scope.kind,
        domain=scope.domain,
        tag=scope.tag,
        mailboxes=found.mailboxes,
        states=found.states,
        today=_load_plan(connection, scope, settings, today, volume, stopped=stopped),
        mails=_to_mails(total),
        # Sums of the database, which need no validation.
        by_day=[MailDay.model_construct(date=day, **_mail_values(sums)) for day, sums in chart.items()],
        grants=_load_states(connection, scope, found),
        expiries=_load_expiries(connection, scope, found.at),
        needy_count=found.needy_count,
        needy=[_to_needy(one) for one in found.needy],
        restricted=found.restricted,
        domain_count=domains.count,
        domains=_load_domains(connection, domains.largest),
        pool=_to_pool(volume, settings),
        backlog=_load_waiting(connection),
        audits=[_to_audit(audit) for audit in last_audit.load_recent_audits(connection)],
    )  # fmt: skip


_Mails = tuple[dict[dt.date, MailSums], MailSums, DomainSums, MailSums]


def _load_mails(connection: sa.Connection, scope: FleetScope) -> _Mails:
    """Return the sums by day for the charts, those of the period, those of domains, and those of today."""
    if scope.kind is MailboxKind.POOL:  # mails are counted at their senders
        return {}, fleet.add_up([]), DomainSums(count=0, largest={}), fleet.add_up([])
    days, shown = scope.period.days, scope.to_filter()
    chart = fleet.load_days(connection, shown, days=max(days, MIN_CHART_DAYS))
    today = fleet.load_today(connection, shown)
    domains = fleet.load_domains(connection, shown, days=days, limit=DOMAINS_SHOWN)
    return chart, today if scope.period is Period.TODAY else fleet.add_up(chart.values()), domains, today


def _load_plan(
    connection: sa.Connection, scope: FleetScope, settings: Settings, today: MailSums, volume: Volume, *, stopped: bool
) -> Today:
    if scope.kind is MailboxKind.POOL:
        return Today(planned=0, sent=0, remaining=0, cold_mails=0, readiness=dict.fromkeys(ReadinessState, 0))
    if scope.tag:
        conditions = filters.build_conditions(scope.to_filter(), expiring_days=0)
        volume = domain_volumes.count_volume(connection, settings, *conditions)
    elif scope.domain:
        volume = domain_volumes.load_volume(connection, settings, domain=scope.domain)
    remaining = 0 if stopped else max(0, volume.planned - today.sent)
    return Today(
        planned=volume.planned,
        sent=today.sent,
        remaining=remaining,
        cold_mails=0 if stopped else volume.cold_mails,
        readiness=volume.readiness,
    )


def _load_states(connection: sa.Connection, scope: FleetScope, found: Attention) -> list[StateDay]:
    """Return the states over time. They are stored by domain and kind, so for a tag only the present ones are known."""
    today = found.at.astimezone(dt.UTC).date()
    present = StateDay(date=today, states=found.states)
    if scope.tag:
        return [present]
    days = max(scope.period.days, MIN_CHART_DAYS)
    stored = grant_days.load_grant_states(connection, days=days, domain=scope.domain, kind=scope.kind)
    past = [StateDay.model_construct(date=one.day, states=dict(one.states)) for one in stored if one.day < today]
    return [*past, present]


def _load_domains(connection: sa.Connection, domains: dict[str, MailSums]) -> list[DomainFigures]:
    states = sending_domains.load_domain_states(connection, list(domains))
    return [_to_domain(name, sums, states.get(name, DomainState())) for name, sums in domains.items()]


def _to_domain(name: str, sums: MailSums, state: DomainState) -> DomainFigures:
    return DomainFigures(
        domain=name,
        band=state.worst_band,
        band_label=BAND_LABELS[state.worst_band],
        restricted=sum(state.bands.get(band, 0) for band in filters.GROUP_BANDS.values()),
        records=state.records,
        **_mail_values(sums),
    )


def _to_mails(sums: MailSums) -> Mails:
    return Mails(**_mail_values(sums))


_COUNTS = tuple(name for name in Mails.model_fields if name in SUMMED_COLUMNS)


def _mail_values(sums: MailSums) -> dict[str, Any]:
    values: dict[str, Any] = {name: sums.counts[name] for name in _COUNTS}
    return values | {f"{name}_percent": sums.percent(name) for name in ("inbox", "spam")}


def _load_expiries(connection: sa.Connection, scope: FleetScope, now: dt.datetime) -> list[ExpiryDay]:
    days = expiries.load_expiry_days(connection, scope.to_filter(), today=now.astimezone(dt.UTC).date())
    return [ExpiryDay.model_validate(day) for day in days]


def _to_needy(one: NeedyMailbox) -> Needy:
    label, sentence = _describe(one)
    return Needy(
        address=one.address, kind=one.kind, cause=one.cause, label=label, sentence=sentence, since=one.since,
        can_reauthenticate=one.can_reauthenticate and one.code == GrantState.NEEDS_REAUTH,
    )  # fmt: skip


def _describe(one: NeedyMailbox) -> tuple[str, str]:
    if one.cause is Cause.HEALTH:
        return BAND_LABELS[HealthBand.BLOCKED], reason_text(one.reason)
    if one.cause is Cause.NOT_WORKING:
        return "Not working", one.detail or ""
    reason = REASONS.look_up(one.reason, "never_granted")
    return STATE_LABELS[GrantState(one.code)], reason.message


def _to_pool(total: Volume, settings: Settings) -> Pool:
    needed = domain_volumes.count_needed_receivers(total.planned, total.largest_plan, settings)
    later = domain_volumes.count_needed_receivers(total.target, total.largest_target, settings)
    return Pool(
        receivers=total.receivers,
        needed=needed,
        missing=max(0, needed - total.receivers),
        needed_later=later,
        missing_later=max(0, later - total.receivers),
        counted_at=total.counted_at,
    )


def _to_audit(summary: AuditSummary) -> Audit:
    sentence = REASONS.look_up(summary.app_error, "invalid_client").message if summary.app_error else ""
    return Audit(**vars(summary), sentence=sentence)


def _load_waiting(connection: sa.Connection) -> list[Waiting]:
    backlogs = count_backlogs(connection)
    return [Waiting(action=action, mailboxes=one.mailboxes, since=one.since) for action, one in backlogs.items()]

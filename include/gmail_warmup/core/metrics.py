"""Metric definitions (shared by code, dashboards, alert rules and docs) and the ``Meter`` interface to send them.

``airflow.stats_meter`` sends them with Airflow's statistics. The label of a series, such as the category of a response,
is the last part of its name: a plain StatsD server drops tags, and Airflow's own metrics do the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gmail_warmup.core.enums import (
    Action,
    BounceKind,
    GrantState,
    HealthBand,
    IncidentKind,
    Placement,
    ReadinessState,
    ResponseCategory,
)

PREFIX = "gmail_warmup"
"""Prefix of every name; Airflow adds its own before it, by default ``airflow``."""


class MetricKind(StrEnum):
    """How the values of a metric are aggregated."""

    COUNTER = "counter"
    """The sum."""
    GAUGE = "gauge"
    """The last value."""
    TIMER = "timer"
    """The distribution; sent in milliseconds."""


class MailEvent(StrEnum):
    """An event of a warmup mail."""

    SENT = "sent"
    """The first mail of a thread was sent."""
    REPLIED = "replied"
    """A reply was sent."""
    REFUSED = "refused"
    """Gmail rejected it permanently; its slot is used up."""
    WITHDRAWN = "withdrawn"
    """It was not sent on its day and is given up."""
    UNRESOLVED = "unresolved"
    """Neither its draft nor a sent mail is found; the search is repeated, and each one counts."""
    WITHOUT_PARTNER = "without_partner"
    """A mail was due, but no pool mailbox may receive it."""
    BOUNCED = "bounced"
    """A delivery status notification reported that it cannot be delivered."""
    AUTO_REPLIES = "auto_replies"
    """An automatic reply arrived, such as an absence notice."""
    NOT_THERE_YET = "not_there_yet"
    """It was not found at its recipient yet; the search is repeated."""
    MISSING = "missing"
    """It was not found in time and counts as missing."""
    UNAUTHENTICATED = "unauthenticated"
    """Google reported that DMARC fails, or that neither SPF nor DKIM passes for its From header."""
    RESCUED = "rescued"
    """It was moved out of spam."""
    READ = "read"
    """It was opened."""
    MARKED_IMPORTANT = "marked_important"
    """It was marked important."""
    MARKED_STARRED = "marked_starred"
    """It was starred."""
    COLLECTED = "collected"
    """A reply was found in the mailbox that it was sent to."""
    TRASHED = "trashed"
    """It reached its retention period and was moved to the trash."""


ALERT_OUTCOMES = ("sent", "failed")
WEBHOOK_OUTCOMES = ("sent", "failed", "given_up")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: the name without the prefix and the label value.
        description: what it measures.
        label_values: the possible last parts of the name; empty for a single series.
        label: the name of that part as a label in Prometheus.
        unit: the unit of a value, which ends the name in Prometheus; empty for a plain number.
    """

    name: str
    kind: MetricKind
    description: str
    label_values: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""

    def series_name(self, part: str = "") -> str:
        """Return the full name of one series.

        Raises:
            ValueError: if this is not a label value of the metric.
        """
        if part not in (self.label_values or ("",)):
            raise ValueError(
                f"{part!r} is not a label value of the metric {self.name}; use one of: {', '.join(self.label_values)}."
            )
        return f"{PREFIX}.{self.name}.{part}" if part else f"{PREFIX}.{self.name}"

    @property
    def prometheus_name(self) -> str:
        """Return the name in Prometheus, as mapped by the statsd_exporter."""
        unit = {MetricKind.COUNTER: "total", MetricKind.TIMER: "seconds"}.get(self.kind, self.unit)
        return "_".join(filter(None, (PREFIX, self.name, unit)))


def _define_counter(name: str, sentence: str, label: str = "", parts: Iterable[str] = ()) -> Metric:
    return Metric(name=name, kind=MetricKind.COUNTER, description=sentence, label=label, label_values=tuple(parts))


def _define_gauge(name: str, sentence: str, label: str = "", parts: Iterable[str] = (), unit: str = "") -> Metric:
    return Metric(
        name=name, kind=MetricKind.GAUGE, description=sentence, label=label, label_values=tuple(parts), unit=unit
    )


# events
REFRESH = _define_counter("refresh", "Token requests, by the category of the response.", "answer", ResponseCategory)
REFRESH_TIME = Metric(
    name="refresh_time", kind=MetricKind.TIMER, description="Duration of a token request, including its second try."
)
DONE = _define_counter("done", "Mailboxes in which an action was completed.", "action", Action)
MAIL = _define_counter("mail", "Events of warmup mails.", "event", MailEvent)
BOUNCE = _define_counter("bounce", "Mails that were not delivered, by reason.", "kind", BounceKind)
PLACEMENT = _define_counter("placement", "Folders that Gmail delivered first mails to.", "placement", Placement)
ALERT = _define_counter(
    "alert", "Alerts that were accepted by a receiver, and those that were not.", "outcome", ALERT_OUTCOMES
)
WEBHOOK = _define_counter(
    "webhook", "Webhooks that a receiver accepted, failed attempts, and webhooks that were given up.", "outcome",
    WEBHOOK_OUTCOMES,
)  # fmt: skip
# state, sent by the plan of each run
DUE = _define_gauge("due", "Mailboxes that the last run planned, by action.", "action", Action)
BACKLOG = _define_gauge(
    "backlog", "Mailboxes with something due that the last run left to the next one.", "action", Action
)
OLDEST_DUE = _define_gauge("oldest_due", "Waiting time of the longest-waiting mailbox.", "action", Action, "seconds")
RUN_AT = _define_gauge("run_at", "Time of the last plan of gmail_warmup, in seconds since 1970.", unit="seconds")
# state, sent by the alerts task of each run
GRANTS = _define_gauge("grants", "Mailboxes by the state of their grant.", "state", GrantState)
BANDS = _define_gauge("bands", "Warmup mailboxes by their health band.", "band", HealthBand)
READINESS = _define_gauge("readiness", "Warmup mailboxes by their readiness for cold mail.", "state", ReadinessState)
COLD_MAILS = _define_gauge("cold_mails", "Cold mails that are reasonable today, of all ready mailboxes.")
NOT_WORKING = _define_gauge(
    "not_working", "Mailboxes whose tasks have been failing for not_working_after, although they should work."
)
EXPIRING = _define_gauge("expiring", "Grants with a predicted expiry within expiring_days.")
INCIDENTS = _define_gauge("incidents", "Open incidents, by kind.", "kind", IncidentKind)
BREAKERS_OPEN = _define_gauge("breakers_open", "Open breakers: OAuth clients for which no requests are sent.")
HALTED = _define_gauge("halted", "1 while an operator has stopped all actions, otherwise 0.")
AUDITED_AT = _define_gauge(
    "audited_at", "End of the last audit, in seconds since 1970; 0 before the first.", unit="seconds"
)
WEBHOOKS_WAITING = _define_gauge("webhooks_waiting", "Webhooks that their receivers have not accepted yet.")
OLDEST_WEBHOOK = _define_gauge("oldest_webhook", "Age of the oldest waiting webhook.", unit="seconds")
AUDIT_TIME = _define_gauge("audit_time", "Duration of the last audit, including its second pass.", unit="seconds")

METRICS = (
    REFRESH, REFRESH_TIME, DONE, MAIL, PLACEMENT, BOUNCE, ALERT, DUE, BACKLOG, OLDEST_DUE, RUN_AT, GRANTS, BANDS,
    READINESS, COLD_MAILS, NOT_WORKING, EXPIRING, INCIDENTS, BREAKERS_OPEN, HALTED, AUDITED_AT, AUDIT_TIME,
    WEBHOOK, WEBHOOKS_WAITING, OLDEST_WEBHOOK,
)  # fmt: skip
"""Every metric, in the order of the docs."""


class Meter(Protocol):
    """Sends metrics. No method raises or blocks."""

    is_enabled: bool
    """Whether metrics are sent; values that cost a query are computed only then."""

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Add to a counter."""

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Set a gauge."""

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Record a duration."""


class NullMeter:
    """Sends nothing; used if metrics are switched off."""

    is_enabled = False

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Do nothing."""

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Do nothing."""

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Do nothing."""


NULL_METER: Meter = NullMeter()


def count_mails(
    meter: Meter,
    events: Mapping[MailEvent, int],
    placements: Mapping[Placement, int],
    bounces: Mapping[BounceKind, int] | None = None,
) -> None:
    """Count what an action did with mails; a missing mail counts as a placement as well."""
    for kind, number in (bounces or {}).items():
        meter.increment_counter(BOUNCE, kind, number)
    for event, number in events.items():
        meter.increment_counter(MAIL, event, number)
    if missing := events.get(MailEvent.MISSING):
        meter.increment_counter(PLACEMENT, Placement.MISSING, missing)
    for placement, number in placements.items():
        meter.increment_counter(PLACEMENT, placement, number)

"""The metrics: every name in one table that code, dashboard, alert rules and docs share, and the seam they leave by.

Nothing here knows Airflow; see ``metering`` for that. What tells one series from another, such as the class of an
answer, is the last part of the name: a plain StatsD server drops tags, and Airflow's own metrics have their variables
in the name there as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gmail_warmup.core.enums import GrantState, HealthBand, IncidentKind, Placement, ResponseCategory

PREFIX = "gmail_warmup"
"""Before every name; Airflow puts its own, ``airflow`` unless it is set otherwise, before that."""


class MetricKind(StrEnum):
    """What is done with the values of a metric."""

    COUNTER = "counter"
    """They are added up."""
    GAUGE = "gauge"
    """The last one holds."""
    TIMER = "timer"
    """Their distribution is kept; sent in milliseconds."""


class MailEvent(StrEnum):
    """What happened to a warmup mail, or for one."""

    SENT = "sent"
    """A first mail of a thread went out."""
    REPLIED = "replied"
    """An answer went out."""
    REFUSED = "refused"
    """Gmail refused it for good; its slot is spent."""
    WITHDRAWN = "withdrawn"
    """It was not sent on its day, and is given up."""
    UNRESOLVED = "unresolved"
    """Its draft is gone and no sent mail is found; it is looked for again, and counted again."""
    WITHOUT_PARTNER = "without_partner"
    """A mail was due and no pool mailbox may receive it."""
    BOUNCED = "bounced"
    """A notice said that it cannot be delivered."""
    AUTO_REPLIES = "auto_replies"
    """A program answered it, such as an absence notice."""
    NOT_THERE_YET = "not_there_yet"
    """Its recipient looked for it and did not find it; it is looked for again."""
    MISSING = "missing"
    """It was not found in time, and counts as missing."""
    RESCUED = "rescued"
    """It was moved out of spam."""
    READ = "read"
    """It was opened."""
    MARKED_IMPORTANT = "marked_important"
    """It was marked important."""
    MARKED_STARRED = "marked_starred"
    """It got a star."""
    COLLECTED = "collected"
    """An answer was found at whom it was sent to."""
    TRASHED = "trashed"
    """It is old enough, and went to the trash."""


ACTIONS = ("send", "rescue", "read", "reply", "collect")
"""The values of ``warmup.due.Action``, which is too heavy to import here."""
ALERT_OUTCOMES = ("sent", "failed")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: without the prefix; its last part, where it has several series, is added when it is sent.
        sentence: what it says.
        parts: what the last part of the name may be; empty where there is one series alone.
        label: what the last part is called as a label in Prometheus.
        unit: what a value counts, as the end of the name in Prometheus; empty where it is a plain number.
    """

    name: str
    kind: MetricKind
    description: str
    label_values: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""

    def series_name(self, part: str = "") -> str:
        """Return the name of one series as it is sent.

        Raises:
            ValueError: if this is no part of the metric.
        """
        if part not in (self.label_values or ("",)):
            raise ValueError(
                f"{part!r} is no part of the metric {self.name}; these are: {', '.join(self.label_values)}."
            )
        return f"{PREFIX}.{self.name}.{part}" if part else f"{PREFIX}.{self.name}"

    @property
    def prometheus_name(self) -> str:
        """Return the name in Prometheus, made by the mapping of the statsd_exporter."""
        unit = {MetricKind.COUNTER: "total", MetricKind.TIMER: "seconds"}.get(self.kind, self.unit)
        return "_".join(filter(None, (PREFIX, self.name, unit)))


def _define_counter(name: str, sentence: str, label: str = "", parts: Iterable[str] = ()) -> Metric:
    return Metric(name=name, kind=MetricKind.COUNTER, description=sentence, label=label, label_values=tuple(parts))


def _define_gauge(name: str, sentence: str, label: str = "", parts: Iterable[str] = (), unit: str = "") -> Metric:
    return Metric(
        name=name, kind=MetricKind.GAUGE, description=sentence, label=label, label_values=tuple(parts), unit=unit
    )


# what happens
REFRESH = _define_counter(
    "refresh", "Token requests that Google was asked, by what its answer means.", "answer", ResponseCategory
)
REFRESH_TIME = Metric(
    name="refresh_time", kind=MetricKind.TIMER, description="How long a token request took, its second try included."
)
DONE = _define_counter("done", "Mailboxes in which an action was done to its end.", "action", ACTIONS)
MAIL = _define_counter("mail", "What happened to warmup mails.", "event", MailEvent)
PLACEMENT = _define_counter("placement", "Where Gmail put first mails at their recipients.", "placement", Placement)
ALERT = _define_counter(
    "alert", "Alerts handed to their receivers, and those that none took.", "outcome", ALERT_OUTCOMES
)
# how it stands: by the plan of each run
DUE = _define_gauge("due", "Mailboxes that the last run took up, by what was due.", "action", ACTIONS)
BACKLOG = _define_gauge(
    "backlog", "Mailboxes with something due that the last run left to the next.", "action", ACTIONS
)
OLDEST_DUE = _define_gauge(
    "oldest_due", "For how long the mailbox that waits longest has waited.", "action", ACTIONS, "seconds"
)
# how it stands: by the alerts task of each run
GRANTS = _define_gauge("grants", "Mailboxes by the state of their grant.", "state", GrantState)
BANDS = _define_gauge("bands", "Warmup mailboxes by their health band.", "band", HealthBand)
EXPIRING = _define_gauge("expiring", "Grants whose end is foretold within expiring_days.")
INCIDENTS = _define_gauge("incidents", "Incidents that are open, by kind.", "kind", IncidentKind)
BREAKERS_OPEN = _define_gauge("breakers_open", "Breakers that are open: clients for which Google is not asked.")
HALTED = _define_gauge("halted", "1 while everything is stopped by an operator, else 0.")
RUN_AT = _define_gauge("run_at", "When the last run looked, in seconds since 1970.", unit="seconds")
AUDITED_AT = _define_gauge(
    "audited_at", "When the last audit ended, in seconds since 1970; 0 before the first.", unit="seconds"
)
AUDIT_TIME = _define_gauge("audit_time", "How long the last audit took, its second pass included.", unit="seconds")

METRICS = (
    REFRESH, REFRESH_TIME, DONE, MAIL, PLACEMENT, ALERT, DUE, BACKLOG, OLDEST_DUE, GRANTS, BANDS, EXPIRING, INCIDENTS,
    BREAKERS_OPEN, HALTED, RUN_AT, AUDITED_AT, AUDIT_TIME,
)  # fmt: skip
"""Every metric, in the order of the docs."""


class Meter(Protocol):
    """Where metrics go. No method ever raises or waits."""

    is_enabled: bool
    """Whether anybody listens; what costs a query is found out only then."""

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Add to a counter."""

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Say how a gauge stands."""

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Note how long something took."""


class NullMeter:
    """Do nothing: what is used where metrics are switched off."""

    is_enabled = False

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Do nothing."""

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Do nothing."""

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Do nothing."""


NULL_METER: Meter = NullMeter()

_PLACEMENT_PREFIX = "placed_"


def count_mails(meter: Meter, counts: Mapping[str, int]) -> None:
    """Count what an action did with mails: the counts of its desk, where a placement is named ``placed_...``."""
    for name, number in counts.items():
        if name.startswith(_PLACEMENT_PREFIX):
            meter.increment_counter(PLACEMENT, name.removeprefix(_PLACEMENT_PREFIX), number)
        else:
            meter.increment_counter(MAIL, name, number)
            if name == MailEvent.MISSING:
                meter.increment_counter(PLACEMENT, Placement.MISSING, number)

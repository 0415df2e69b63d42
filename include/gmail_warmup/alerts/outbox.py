"""Send stored messages at least once: a process claims one with an UPDATE and sends it outside any transaction.

Alerts and webhooks use the same outbox. If the process ends while it sends, another one sends the message when the
claim has expired; only then may the same message be sent twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import GmailWarmupError, describe_safely
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import Alert

log = logging.getLogger(__name__)

SendFunction = Callable[[str, str], None]
"""Sends a title and a body; raises if no receiver accepted them."""

MAX_AGE_SECONDS = 86_400
"""Age in seconds from which an alert is not sent, for example because a receiver was configured late."""
CLAIM_SECONDS = 300
"""Seconds for which a claim is valid; longer than the timeout of any sender."""
MAX_RETRY_MINUTES = 60
"""Maximum minutes between two attempts: 1, 2, 4, ... 60."""
MAX_CONSECUTIVE_FAILURES = 3
"""After this many failures in a row, the receiver counts as down and the other messages wait for the next run."""


class DeliveryError(GmailWarmupError):
    """The receiver did not accept a message. The text contains no secret.

    Args:
        retry_after: seconds that the receiver wants to have no further attempt.
    """

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class SendCounts:
    """Number of messages that were sent, that failed and will be retried, and that were given up."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0

    def add(self, other: SendCounts) -> SendCounts:
        """Return the sums of both."""
        return SendCounts(
            sent=self.sent + other.sent, failed=self.failed + other.failed, given_up=self.given_up + other.given_up
        )


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """A table of messages to send.

    Attributes:
        model: a table with id, created_at, sent_at, attempts, next_try_at, given_up_at and failure.
        describe: returns what a log line calls a message: its number, and what it is about or whom it is for.
        period: ``max_age_seconds`` in words.
        max_age_seconds: age in seconds from which a message is not sent any more.
        conditions: what else a message that is due has to meet.
        order: the order in which messages are sent.
        gives_up_untried: whether a message is also given up if it was never tried.
    """

    model: Any
    describe: Callable[[Any], str]
    period: str
    max_age_seconds: float
    claim_seconds: float = CLAIM_SECONDS
    conditions: tuple[sa.ColumnElement[bool], ...] = ()
    order: tuple[Any, ...]
    gives_up_untried: bool = False

    @property
    def is_waiting(self) -> sa.ColumnElement[bool]:
        """Return the SQL condition that a message is neither sent nor given up."""
        return sa.and_(self.model.sent_at.is_(None), self.model.given_up_at.is_(None))

    @property
    def is_expired(self) -> sa.ColumnElement[bool]:
        """Return the SQL condition that a message is too old to be sent."""
        expired: sa.ColumnElement[bool] = self.model.created_at <= sa.func.now() - interval(self.max_age_seconds)
        return expired


def _describe_alert(alert: Any) -> str:
    return f"Alert {alert.id} to {alert.audience or 'all receivers'} ({alert.title})"


_ALERTS = Outbox(
    model=Alert,
    describe=_describe_alert,
    period="a day",
    max_age_seconds=MAX_AGE_SECONDS,
    order=(Alert.created_at, Alert.id),
)


def send_pending_alerts(engine: sa.Engine, send: SendFunction, *, audience: str | None = None) -> SendCounts:
    """Send the alerts that are due, the oldest first; failed ones are retried in later runs, for a day.

    Processes may do this concurrently: each alert is claimed by one of them.

    Args:
        audience: the receivers of ``send``; None for those without a limit.
    """
    outbox = replace(_ALERTS, conditions=(Alert.audience.is_not_distinct_from(audience),))
    return send_pending(engine, outbox, lambda alert: send(alert.title, alert.body))


def give_up_alerts(engine: sa.Engine) -> int:
    """Mark and log the alerts to any audience that were tried and are too old now; return their number."""
    return give_up_expired(engine, _ALERTS)


def send_pending(
    engine: sa.Engine, outbox: Outbox, send: Callable[[Any], None], *, ends_at: float | None = None
) -> SendCounts:
    """Send the messages that are due, until none is left, the receiver counts as down, or a time is reached.

    Args:
        engine: connects to the database.
        outbox: the messages.
        send: sends one row of the table; raises if it was not accepted.
        ends_at: the time of ``time.monotonic`` from which no further message is claimed.
    """
    counts, in_a_row = SendCounts(), 0
    with write_transaction(engine) as connection:
        message = _claim_message(connection, outbox)
    while message is not None:
        values = _send_message(outbox, send, message)
        is_sent = "sent_at" in values
        counts = counts.add(SendCounts(sent=int(is_sent), failed=int(not is_sent)))
        in_a_row = 0 if is_sent else in_a_row + 1
        goes_on = in_a_row < MAX_CONSECUTIVE_FAILURES and (ends_at is None or time.monotonic() < ends_at)
        with write_transaction(engine) as connection:
            _update_claimed(connection, outbox, message, values)
            message = _claim_message(connection, outbox) if goes_on else None
    return counts


def _claim_message(connection: sa.Connection, outbox: Outbox) -> Any:
    """Claim the first message that is due, and return its row; None if no message is due."""
    model = outbox.model
    due = (
        sa.select(model.id)
        .where(outbox.is_waiting, ~outbox.is_expired, model.next_try_at <= sa.func.now(), *outbox.conditions)
        .order_by(*outbox.order)
        .limit(1)
        .with_for_update(skip_locked=True, of=model)
        .cte("due")
    )
    claim = (
        sa.update(model)
        .where(model.id == due.c.id)
        .values(attempts=model.attempts + 1, next_try_at=sa.func.now() + interval(outbox.claim_seconds))
        .returning(*model.__table__.columns)
    )
    return connection.execute(claim).one_or_none()


def _send_message(outbox: Outbox, send: Callable[[Any], None], message: Any) -> dict[str, Any]:
    """Send a claimed message; return what to store: that it was accepted, or when it is tried again."""
    try:
        send(message)
    except Exception as error:
        pause = _compute_pause(message.attempts, error)
        failure = describe_safely(error)
        log.warning(
            "%s was not sent, and is tried again in %d min: %s", outbox.describe(message), round(pause / 60), failure
        )
        return {"failure": failure, "next_try_at": sa.func.now() + interval(pause)}
    return {"failure": None, "sent_at": sa.func.now()}


def _compute_pause(attempts: int, error: Exception) -> float:
    """Return the seconds until the next attempt."""
    pause: float = 60.0 * min(MAX_RETRY_MINUTES, 2 ** min(attempts - 1, 6))
    requested = error.retry_after if isinstance(error, DeliveryError) else None
    return max(pause, min(requested or 0, 60.0 * MAX_RETRY_MINUTES))


def _update_claimed(connection: sa.Connection, outbox: Outbox, message: Any, values: dict[str, Any]) -> None:
    """Store the result of an attempt, unless the claim expired and another process has claimed the message since."""
    is_claimed = (outbox.model.id == message.id, outbox.model.attempts == message.attempts)
    connection.execute(sa.update(outbox.model).where(*is_claimed).values(values))


def give_up_expired(engine: sa.Engine, outbox: Outbox) -> int:
    """Mark and log the messages that are too old to be sent; return their number."""
    model = outbox.model
    tried = sa.true() if outbox.gives_up_untried else model.attempts > 0
    statement = (
        sa.update(model)
        .where(outbox.is_waiting, outbox.is_expired, tried)
        .values(given_up_at=sa.func.now())
        .returning(*model.__table__.columns)
    )
    with write_transaction(engine) as connection:
        lost = connection.execute(statement).all()
    for row in lost:
        log.error(
            "%s was not sent within %s and is not tried again; gave up: %s",
            outbox.describe(row), outbox.period, row.failure or "no answer",
        )  # fmt: skip
    return len(lost)

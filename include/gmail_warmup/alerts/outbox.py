"""Send stored alerts at least once: a process claims an alert with one UPDATE and sends it outside any transaction.

If the process ends while it sends, another one sends the alert after ``CLAIM_SECONDS``; only then may the same alert be
sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import GmailWarmupError
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
"""After this many failures in a row, the receiver counts as down and the other alerts wait for the next run."""

_GIVEN_UP_PREFIX = "gave up: "


@dataclass(frozen=True, kw_only=True)
class SendCounts:
    """Number of alerts that were sent, that failed and will be retried, and that were given up."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


def send_pending_alerts(engine: sa.Engine, send: SendFunction) -> SendCounts:
    """Send the alerts that are due, the oldest first; failed ones are retried in later runs, for a day.

    Processes may do this concurrently: each alert is claimed by one of them.
    """
    given_up = _give_up_expired(engine)
    sent = failed = in_a_row = 0
    while in_a_row < MAX_CONSECUTIVE_FAILURES and (alert := _claim_alert(engine)):
        if _send_alert(engine, send, alert):
            sent, in_a_row = sent + 1, 0
        else:
            failed, in_a_row = failed + 1, in_a_row + 1
    return SendCounts(sent=sent, failed=failed, given_up=given_up)


def _claim_alert(engine: sa.Engine) -> Any:
    due = (
        sa.select(Alert.id)
        .where(Alert.sent_at.is_(None), Alert.created_at > _oldest_allowed(), Alert.next_try_at <= sa.func.now())
        .order_by(Alert.created_at, Alert.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claim = (
        sa.update(Alert)
        .where(Alert.id == due.c.id)
        .values(attempts=Alert.attempts + 1, next_try_at=sa.func.now() + interval(CLAIM_SECONDS))
        .returning(Alert.id, Alert.title, Alert.body, Alert.attempts)
    )
    with write_transaction(engine) as connection:
        return connection.execute(claim).one_or_none()


def _send_alert(engine: sa.Engine, send: SendFunction, alert: Any) -> bool:
    try:
        send(alert.title, alert.body)
    except Exception as error:
        # Other errors by type only: their text may contain the receiver's URL, which is a secret.
        why = f"{type(error).__name__}: {error}" if isinstance(error, GmailWarmupError) else type(error).__name__
        pause = min(MAX_RETRY_MINUTES, 2 ** min(alert.attempts - 1, 6))
        log.warning("Alert %d was not sent, and is tried again in %d min: %s", alert.id, pause, why)
        _update_alert(engine, alert.id, failure=type(error).__name__, next_try_at=sa.func.now() + interval(60 * pause))
        return False
    _update_alert(engine, alert.id, sent_at=sa.func.now(), failure=None)
    return True


def _update_alert(engine: sa.Engine, alert_id: int, **values: Any) -> None:
    with write_transaction(engine) as connection:
        connection.execute(sa.update(Alert).where(Alert.id == alert_id).values(values))


def _give_up_expired(engine: sa.Engine) -> int:
    """Mark and log alerts that could not be sent for a day; return their number."""
    failure = sa.func.coalesce(Alert.failure, "")
    statement = (
        sa.update(Alert)
        .where(
            Alert.sent_at.is_(None),
            Alert.attempts > 0,
            Alert.created_at <= _oldest_allowed(),
            ~failure.startswith(_GIVEN_UP_PREFIX),
        )
        .values(failure=_GIVEN_UP_PREFIX + sa.func.coalesce(Alert.failure, "no answer"))
        .returning(Alert.id, Alert.title, Alert.failure)
    )
    with write_transaction(engine) as connection:
        lost = connection.execute(statement).all()
    for alert_id, title, why in lost:
        log.error("Alert %d (%s) was not sent within a day and is not tried again; %s", alert_id, title, why)
    return len(lost)


def _oldest_allowed() -> sa.ColumnElement[Any]:
    return sa.func.now() - interval(MAX_AGE_SECONDS)

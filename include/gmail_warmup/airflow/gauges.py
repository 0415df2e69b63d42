"""Send the gauges, once per DAG run and only if metrics are switched on; mapped tasks send none."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.alerts.webhooks.delivery import IS_WAITING
from gmail_warmup.core import metrics
from gmail_warmup.core.enums import Action
from gmail_warmup.core.metrics import Meter, Metric
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import (
    AuditRun,
    Breaker,
    Mailbox,
    MailboxKind,
    MailboxReadiness,
    OAuthGrant,
    WebhookDelivery,
)
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.incidents import list_open_incidents
from gmail_warmup.warmup.health.failures import count_not_working
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.backlog import count_backlog
from gmail_warmup.warmup.readiness.store import select_readiness

log = logging.getLogger(__name__)


def send_plan_gauges(engine: sa.Engine, meter: Meter, action: Action, *, taken: int) -> None:
    """Send the time of a run, how many mailboxes it planned for an action, how many it left, and the longest wait.

    Args:
        taken: the number of planned mailboxes; 0 while all actions are stopped.
    """

    def send_gauges(connection: sa.Connection) -> None:
        backlog, now = count_backlog(connection, action), clock.get_current_time(connection)
        meter.set_gauge(metrics.DUE, taken, action)
        meter.set_gauge(metrics.BACKLOG, max(0, backlog.mailboxes - taken), action)
        meter.set_gauge(metrics.OLDEST_DUE, round((now - (backlog.since or now)).total_seconds()), action)
        meter.set_gauge(metrics.RUN_AT, int(now.timestamp()))

    _send_if_enabled(engine, meter, send_gauges)


def send_status_gauges(engine: sa.Engine, meter: Meter, settings: Settings) -> None:
    """Send the state of grants, bands, incidents, breakers and audits."""

    def send_gauges(connection: sa.Connection) -> None:
        _send_series(meter, metrics.GRANTS, _load_counts(connection, _COUNT_BY_STATE))
        _send_series(meter, metrics.BANDS, _load_counts(connection, _COUNT_BY_BAND))
        _send_series(
            meter, metrics.INCIDENTS, Counter(str(incident.kind) for incident in list_open_incidents(connection))
        )
        _send_series(meter, metrics.READINESS, _load_counts(connection, _COUNT_BY_READINESS))
        meter.set_gauge(metrics.COLD_MAILS, int(connection.scalar(_SUM_COLD_MAILS) or 0))
        meter.set_gauge(metrics.NOT_WORKING, count_not_working(connection))
        meter.set_gauge(metrics.EXPIRING, _count_expiring(connection, settings.expiring_days))
        meter.set_gauge(metrics.BREAKERS_OPEN, int(connection.scalar(_COUNT_OPEN_BREAKERS) or 0))
        _, stopped = kill_switch.get_time_and_halt(connection)
        meter.set_gauge(metrics.HALTED, int(stopped is not None))
        _send_audit_gauges(connection, meter)
        _send_webhook_gauges(connection, meter)

    _send_if_enabled(engine, meter, send_gauges)


_COUNT_BY_STATE = sa.select(OAuthGrant.state, sa.func.count()).group_by(OAuthGrant.state)
_COUNT_BY_BAND = (
    sa.select(Mailbox.band, sa.func.count()).where(Mailbox.kind == MailboxKind.WARMUP).group_by(Mailbox.band)
)
_COUNT_BY_READINESS = select_readiness(MailboxReadiness.state, sa.func.count()).group_by(MailboxReadiness.state)
_SUM_COLD_MAILS = select_readiness(sa.func.sum(MailboxReadiness.cold_mails))
_COUNT_OPEN_BREAKERS = sa.select(sa.func.count()).where(Breaker.opened_at.is_not(None))


def _send_if_enabled(engine: sa.Engine, meter: Meter, send: Callable[[sa.Connection], None]) -> None:
    """Send gauges if metrics are switched on. A database error never fails the task."""
    if not meter.is_enabled:
        return
    try:
        with autocommit(engine) as connection:
            send(connection)
    except SQLAlchemyError as error:
        log.warning("No metrics of this run, because of a database error: %s", type(error).__name__)


def _load_counts(connection: sa.Connection, query: sa.Executable) -> dict[str, int]:
    return {str(part): int(count) for part, count in connection.execute(query)}


def _send_series(meter: Meter, metric: Metric, counts: Mapping[str, int]) -> None:
    """Send every series of a gauge: an omitted one would keep its last value."""
    for part in metric.label_values:
        meter.set_gauge(metric, counts.get(part, 0), part)


def _count_expiring(connection: sa.Connection, days: int) -> int:
    query = sa.select(sa.func.count(Mailbox.id)).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return int(connection.scalar(query.where(expiry.expires_within(days))) or 0)


def _send_audit_gauges(connection: sa.Connection, meter: Meter) -> None:
    columns: tuple[Any, ...] = (AuditRun.started_at, AuditRun.finished_at)
    finished = sa.select(*columns).where(AuditRun.finished_at.is_not(None))
    last = connection.execute(finished.order_by(AuditRun.finished_at.desc()).limit(1)).one_or_none()
    meter.set_gauge(metrics.AUDITED_AT, int(last.finished_at.timestamp()) if last else 0)
    if last:
        meter.set_gauge(metrics.AUDIT_TIME, round((last.finished_at - last.started_at).total_seconds(), 1))


def _send_webhook_gauges(connection: sa.Connection, meter: Meter) -> None:
    age = sa.func.extract("epoch", sa.func.now() - sa.func.min(WebhookDelivery.created_at)).label("age")
    waiting = connection.execute(sa.select(sa.func.count().label("number"), age).where(IS_WAITING)).one()
    meter.set_gauge(metrics.WEBHOOKS_WAITING, waiting.number)
    meter.set_gauge(metrics.OLDEST_WEBHOOK, round(waiting.age or 0))

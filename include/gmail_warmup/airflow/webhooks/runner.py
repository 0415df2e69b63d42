"""Deliver webhooks from a task."""

from __future__ import annotations

import logging

from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.webhooks.connections import load_receivers
from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.webhooks.delivery import DeliveryPolicy, deliver_webhooks
from gmail_warmup.alerts.webhooks.receivers import UnusableReceiver
from gmail_warmup.core.metrics import WEBHOOK
from gmail_warmup.oauth.expiry import update_expiring

log = logging.getLogger(__name__)


def send_webhooks(services: Services) -> SendCounts:
    """Record which grants expire soon, and deliver every webhook that is due."""
    settings = services.settings
    update_expiring(services.engine, days=settings.expiring_days)
    receivers = load_receivers(settings)
    for receiver in receivers:
        if isinstance(receiver, UnusableReceiver):
            log.error("%s Its webhooks wait for at most %d days.", receiver.problem, settings.webhook_retry_days)
    counts = deliver_webhooks(services.engine, receivers, DeliveryPolicy.from_settings(settings))
    for outcome in ("sent", "failed", "given_up"):
        services.meter.increment_counter(WEBHOOK, outcome, getattr(counts, outcome))
    return counts

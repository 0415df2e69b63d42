"""Deliver webhooks: all that are due from a task, or one that a person asked for."""

from __future__ import annotations

import logging

from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.webhooks.connections import load_listed_receiver, load_receivers
from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.webhooks import delivery_log
from gmail_warmup.alerts.webhooks.delivery import DeliveryPolicy, deliver_webhooks
from gmail_warmup.alerts.webhooks.delivery_log import DeliveryRecord
from gmail_warmup.alerts.webhooks.receivers import UnusableReceiver
from gmail_warmup.core.metrics import WEBHOOK
from gmail_warmup.db.engine import read_transaction
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


def send_test(services: Services, conn_id: str, *, actor: str) -> DeliveryRecord:
    """Send a test to a receiver now; return the state of its delivery.

    Raises:
        InvalidInputError: if the settings do not list the receiver, or its Connection is missing or malformed.
    """
    receiver = load_listed_receiver(conn_id, services.settings)
    policy = DeliveryPolicy.from_settings(services.settings)
    return delivery_log.send_test(services.engine, receiver, policy, actor=actor)


def repeat_delivery(services: Services, delivery_id: int, *, actor: str) -> DeliveryRecord:
    """Send a delivery again now; return the state of this attempt.

    Raises:
        UnknownDeliveryError: if there is no such delivery.
        InvalidInputError: if its address was erased, or its receiver cannot be used.
    """
    with read_transaction(services.engine) as connection:
        conn_id = delivery_log.get_delivery(connection, delivery_id).receiver
    receiver = load_listed_receiver(conn_id, services.settings)
    policy = DeliveryPolicy.from_settings(services.settings)
    return delivery_log.send_again(services.engine, receiver, policy, delivery_id, actor=actor)

"""Deliver the recorded events: at least once, and to each receiver the events of a mailbox one after another.

An event becomes one delivery per receiver, in the order in which deliveries have their ids. A delivery is due only
while no earlier one of its mailbox to its receiver waits, so a receiver that fails delays nothing but its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gmail_warmup.alerts.outbox import CLAIM_SECONDS, Outbox, SendCounts, give_up_expired, send_pending
from gmail_warmup.alerts.webhooks.messages import load_message
from gmail_warmup.alerts.webhooks.receivers import Receiver, UnusableReceiver, register_receivers
from gmail_warmup.alerts.webhooks.sender import WebhookSender
from gmail_warmup.core.settings import Settings
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import WebhookDelivery, WebhookEvent, WebhookReceiver

_D, _E, _R = WebhookDelivery, WebhookEvent, WebhookReceiver
_DAY_SECONDS = 86_400
_WORKERS = 4
"""Concurrent requests to one receiver; of one mailbox there is never more than one."""
_MAX_RECEIVERS_AT_ONCE = 8
_DELETE_AT_ONCE = 10_000

IS_WAITING = sa.and_(_D.sent_at.is_(None), _D.given_up_at.is_(None))
"""SQL condition: a delivery is neither sent nor given up."""


@dataclass(frozen=True, kw_only=True)
class DeliveryPolicy:
    """How deliveries are made.

    Attributes:
        timeout: seconds in which a receiver has to answer.
        retry_days: days after which a delivery is given up.
        log_days: days after which finished events are deleted.
        allow_private: whether receivers may have private addresses.
        run_seconds: seconds after which a run leaves further deliveries to the next one.
        claim_seconds: seconds after which a delivery whose process ended is attempted again.
    """

    timeout: float = 15
    retry_days: int = 3
    log_days: int = 30
    allow_private: bool = False
    run_seconds: float = 240
    claim_seconds: float = CLAIM_SECONDS

    @classmethod
    def from_settings(cls, settings: Settings) -> DeliveryPolicy:
        """Return the policy of the settings."""
        return cls(
            timeout=settings.webhook_timeout,
            retry_days=settings.webhook_retry_days,
            log_days=settings.webhook_log_days,
            allow_private=settings.webhook_private_addresses,
        )

    def build_outbox(self, receiver: str | None, *conditions: sa.ColumnElement[bool]) -> Outbox:
        """Return the deliveries to a receiver, or to all of them, that no earlier delivery holds back."""
        selected = (_D.receiver == receiver, *conditions) if receiver is not None else conditions
        return Outbox(
            model=_D,
            describe=_describe_delivery,
            period=pluralize(self.retry_days, "day"),
            max_age_seconds=self.retry_days * _DAY_SECONDS,
            claim_seconds=self.claim_seconds,
            conditions=(*selected, ~_has_earlier_waiting()),
            order=(_D.next_try_at, _D.id),
            gives_up_untried=True,
        )


def _describe_delivery(delivery: Any) -> str:
    about = f"about the mailbox {delivery.mailbox_id}" if delivery.mailbox_id else "of a test"
    return f"Webhook delivery {delivery.id} to {delivery.receiver} {about}"


def _has_earlier_waiting() -> sa.ColumnElement[bool]:
    earlier = aliased(_D)
    return sa.exists().where(
        earlier.receiver == _D.receiver,
        earlier.mailbox_id == _D.mailbox_id,
        earlier.id < _D.id,
        earlier.sent_at.is_(None),
        earlier.given_up_at.is_(None),
    )


def deliver_webhooks(
    engine: sa.Engine, receivers: Sequence[Receiver | UnusableReceiver], policy: DeliveryPolicy
) -> SendCounts:
    """Deliver what is due to every receiver. Processes may do this concurrently.

    Deliveries to a receiver that cannot be used, or is no longer listed, wait until they are given up.
    """
    register_receivers(engine, receivers)
    if not _has_events(engine):
        return SendCounts()
    dispatch_events(engine)
    counts = SendCounts(given_up=give_up_expired(engine, policy.build_outbox(None)))
    usable = [receiver for receiver in receivers if isinstance(receiver, Receiver)]
    due = _count_due(engine)
    ends_at = time.monotonic() + policy.run_seconds
    with ThreadPoolExecutor(_WORKERS * _MAX_RECEIVERS_AT_ONCE) as pool:
        runs = [
            pool.submit(_send_due, engine, receiver, policy, ends_at=ends_at)
            for worker in range(_WORKERS)
            for receiver in usable
            if worker < due.get(receiver.conn_id, 0)
        ]
        for run in runs:
            counts = counts.add(run.result())
    _clean_up(engine, policy)
    return counts


def _has_events(engine: sa.Engine) -> bool:
    """Return whether there is an event; without one there is no delivery, and nothing to give up or to delete."""
    with read_transaction(engine) as connection:
        return connection.scalar(sa.select(_E.id).limit(1)) is not None


def send_delivery(engine: sa.Engine, receiver: Receiver, policy: DeliveryPolicy, delivery_id: int) -> None:
    """Attempt one delivery, if it is due and no earlier one of its mailbox waits."""
    _send_due(engine, receiver, policy, _D.id == delivery_id)


def _send_due(
    engine: sa.Engine,
    receiver: Receiver,
    policy: DeliveryPolicy,
    *conditions: sa.ColumnElement[bool],
    ends_at: float | None = None,
) -> SendCounts:
    """Send the deliveries to a receiver that are due and meet the conditions."""
    with closing(WebhookSender(receiver, timeout=policy.timeout, allow_private=policy.allow_private)) as sender:

        def send(delivery: Any) -> None:
            sender.send(load_message(engine, delivery.event_id))

        return send_pending(engine, policy.build_outbox(receiver.conn_id, *conditions), send, ends_at=ends_at)


def dispatch_events(engine: sa.Engine) -> None:
    """Add a delivery per receiver for each new event, in the order of the events.

    The lock makes concurrent calls wait for each other, so that ids of deliveries are in the order of their commits.
    """
    picked = (
        sa.update(_E)
        .where(_E.dispatched_at.is_(None))
        .values(dispatched_at=sa.func.now())
        .returning(_E.id, _E.mailbox_id, _E.type)
        .cte("picked")
    )
    rows = (
        sa.select(picked.c.id, picked.c.mailbox_id, _R.conn_id)
        .join(_R, picked.c.type == sa.any_(_R.events))
        .order_by(picked.c.id, _R.conn_id)
    )
    with read_transaction(engine) as connection:
        if connection.scalar(sa.select(_E.id).where(_E.dispatched_at.is_(None)).limit(1)) is None:
            return
    _insert_deliveries(engine, rows)


@retry_conflict
def _insert_deliveries(engine: sa.Engine, rows: sa.Select[Any]) -> None:
    with write_transaction(engine) as connection:
        lock_decisions(connection, DecisionLock.WEBHOOK_ORDER)
        connection.execute(sa.insert(_D).from_select(["event_id", "mailbox_id", "receiver"], rows))


def _count_due(engine: sa.Engine) -> dict[str, int]:
    query = sa.select(_D.receiver, sa.func.count()).where(IS_WAITING, _D.next_try_at <= sa.func.now())
    with read_transaction(engine) as connection:
        return {receiver: number for receiver, number in connection.execute(query.group_by(_D.receiver))}


def _clean_up(engine: sa.Engine, policy: DeliveryPolicy) -> None:
    """Erase the addresses of removed mailboxes that nothing waits for, and delete old events."""
    is_finished = sa.and_(
        _E.dispatched_at.is_not(None), ~sa.exists().where(_D.event_id == _E.id, IS_WAITING).correlate(_E)
    )
    is_old = _E.at < sa.func.now() - make_interval(policy.log_days * _DAY_SECONDS)
    # Concurrent runs take different rows, so that none waits for another one.
    finished = sa.select(_E.id).where(is_finished).limit(_DELETE_AT_ONCE).with_for_update(skip_locked=True)
    with write_transaction(engine) as connection:
        unneeded = sa.update(_E).where(_E.id.in_(finished.where(_E.address.is_not(None))))
        connection.execute(unneeded.values(address=None))
        connection.execute(sa.delete(_E).where(_E.id.in_(finished.where(is_old))))

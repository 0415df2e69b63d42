"""Events for webhooks, their deliveries, and the receivers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import WebhookType
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_object, check_one_of


class WebhookReceiver(Base):
    """A receiver as its Airflow Connection described it last. URL and secret are only in the Connection."""

    __tablename__ = "webhook_receiver"

    conn_id: Mapped[str] = mapped_column(Text, primary_key=True)
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """The types of events that it gets. Triggers record only events that a receiver gets."""
    problem: Mapped[str | None] = mapped_column(Text)
    """Why its Connection cannot be used; None if it can."""


class WebhookEvent(Base):
    """One transition of a mailbox, recorded by a trigger in the transaction of the transition."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        check_one_of("type", WebhookType),
        check_object("detail"),
        Index("ix_webhook_event_undispatched", "id", postgresql_where=text("dispatched_at IS NULL")),
        Index("ix_webhook_event_mailbox_id", "mailbox_id"),
        Index("ix_webhook_event_address", "id", postgresql_where=text("address IS NOT NULL")),
        Index("ix_webhook_event_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    message_id: Mapped[str] = mapped_column(Text, unique=True)
    """The header ``webhook-id``, the same in every delivery of the event."""
    type: Mapped[str] = mapped_column(Text)
    mailbox_id: Mapped[int | None] = mapped_column(BigInteger)
    """Not a foreign key: the events of a removed mailbox are still delivered."""
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    previous_state: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    address: Mapped[str | None] = mapped_column(Text)
    """Of a removed mailbox, until nothing is left to deliver; otherwise the mailbox has it."""
    dispatched_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When its deliveries were added."""


class WebhookDelivery(Base):
    """The delivery of an event to a receiver; a repetition that a person requested is a delivery of its own.

    Ids are in the order of delivery: a receiver gets the events of a mailbox one after another.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("ix_webhook_delivery_waiting", "receiver", "mailbox_id", "id",
              postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL")),
        Index("ix_webhook_delivery_due", "receiver", "next_try_at", "id",
              postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL")),
        Index("ix_webhook_delivery_event_id", "event_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_event.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int | None] = mapped_column(BigInteger)
    receiver: Mapped[str] = mapped_column(Text)
    """The id of the Airflow Connection."""
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    given_up_at: Mapped[datetime | None] = mapped_column(Timestamp)
    failure: Mapped[str | None] = mapped_column(Text)

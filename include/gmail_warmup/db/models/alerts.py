"""Incidents, and alerts to the operator."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import AlertKind, IncidentKind
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_object, check_one_of


class Incident(Base):
    """A problem of many mailboxes at once; at most one per kind and key is open."""

    __tablename__ = "incident"
    __table_args__ = (
        check_one_of("kind", IncidentKind),
        check_object("detail"),
        Index("uq_incident_open", "kind", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text, server_default="")
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    opened_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    closed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    opened_alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))
    closed_alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class DagHeartbeat(Base):
    """The last success of a step of a DAG."""

    __tablename__ = "dag_heartbeat"

    dag_id: Mapped[str] = mapped_column(Text, primary_key=True)
    step: Mapped[str] = mapped_column(Text, primary_key=True)
    succeeded_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    steady_since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Alert(Base):
    """One message to the operator, stored until it is sent."""

    __tablename__ = "alert"
    __table_args__ = (
        check_one_of("kind", AlertKind),
        Index("ix_alert_unsent", "created_at", postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    audience: Mapped[str | None] = mapped_column(Text)
    """The receivers that it is for, see ``alerts.audience``; None for those without a limit."""
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    given_up_at: Mapped[datetime | None] = mapped_column(Timestamp)
    failure: Mapped[str | None] = mapped_column(Text)


class AssetFlag(Base):
    """A mailbox that Airflow's assets reported as flagged, and not as recovered since."""

    __tablename__ = "asset_flag"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    reported_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class AlertItem(Base):
    """A grant event to report to the operator; written in the transaction of the event, so that none is lost."""

    __tablename__ = "alert_item"
    __table_args__ = (
        Index("ix_alert_item_unreported", "event_id", postgresql_where=text("alert_id IS NULL")),
        Index("ix_alert_item_mailbox_id", "mailbox_id"),
        # Used by the foreign keys when an alert or an incident is deleted.
        Index("ix_alert_item_alert_id", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
        Index("ix_alert_item_incident_id", "incident_id", postgresql_where=text("incident_id IS NOT NULL")),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("grant_event.id", ondelete="CASCADE"), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))

"""OAuth grants: their clients, their history, the breaker, the audits and the check of the Fernet key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import GrantState, RefusingParty
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_object, check_one_of, check_time


class OAuthGrant(Base):
    """The OAuth credential of a mailbox and its state; one row per mailbox."""

    __tablename__ = "oauth_grant"
    __table_args__ = (
        check_one_of("state", GrantState),
        check_one_of("refused_by", RefusingParty),
        check_time("refresh_expires_at"),
        check_time("access_expires_at"),
        check_time("granted_at"),
        check_time("next_probe_at"),
        CheckConstraint("array_position(scopes, NULL) IS NULL", name="scopes"),
        Index("ix_oauth_grant_state", "state", "next_probe_at"),
        Index("ix_oauth_grant_invalid", "state", "state_since", "mailbox_id",
              postgresql_where=text("state <> 'active'")),
        # Sort orders of the list. The last two also find grants that expire soon.
        Index("ix_oauth_grant_state_since", "state_since", "mailbox_id"),
        Index("ix_oauth_grant_refreshed_at", "refreshed_at", "mailbox_id"),
        Index("ix_oauth_grant_refresh_expires_at", "refresh_expires_at", "mailbox_id",
              postgresql_where=text("refresh_expires_at IS NOT NULL")),
        Index("ix_oauth_grant_expiring", "mailbox_id", postgresql_where=text("expiring_at IS NOT NULL")),
    )  # fmt: skip

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    client_id: Mapped[str | None] = mapped_column(Text)
    refresh_token: Mapped[str | None] = mapped_column(Text)
    refresh_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    access_token: Mapped[str | None] = mapped_column(Text)
    access_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    state: Mapped[str] = mapped_column(Text, server_default=GrantState.NEEDS_REAUTH)
    reason: Mapped[str | None] = mapped_column(Text)
    refused_by: Mapped[str | None] = mapped_column(Text)
    """The party whose refusal caused the state, and that is probed; None if no refusal caused it."""
    state_since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    next_probe_at: Mapped[datetime | None] = mapped_column(Timestamp)
    granted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    refreshed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    expiring_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """The expiry that was predicted when the grant began to count as expiring; None if it does not."""
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"))
    lease_holder: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)


class ClientRegistration(Base):
    """An OAuth client: the Airflow Connection with its id and secrets, and which mailboxes get their grants from it."""

    __tablename__ = "oauth_client"
    __table_args__ = (
        CheckConstraint("user_limit >= 0", name="user_limit"),
        CheckConstraint("array_position(tags, NULL) IS NULL", name="tags"),
    )

    conn_id: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[str] = mapped_column(Text, unique=True)
    """The id that the Connection had when it was last read; finds the Connection of a grant."""
    user_limit: Mapped[int | None] = mapped_column(Integer)
    """Number of users that Google permits; None for a verified or internal app."""
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Mailboxes with one of these tags get their next grant from this client."""
    added_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    retired_at: Mapped[datetime | None] = mapped_column(Timestamp)


class ClientUser(Base):
    """A mailbox that has ever had a grant of a client; a trigger on the grants adds the rows.

    Google counts the users of an unverified app over the life of its project, so a row stays when its mailbox is
    removed, without the mailbox.
    """

    __tablename__ = "oauth_client_user"
    __table_args__ = (
        UniqueConstraint("client_id", "mailbox_id"),
        Index("ix_oauth_client_user_mailbox_id", "mailbox_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    client_id: Mapped[str] = mapped_column(Text)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="SET NULL"))


class GrantEvent(Base):
    """One state transition of a grant; rows are only added."""

    __tablename__ = "grant_event"
    __table_args__ = (
        Index("ix_grant_event_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_grant_event_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
        Index("ix_grant_event_at", "at", postgresql_using="brin"),  # rows are inserted in this order
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    from_state: Mapped[str | None] = mapped_column(Text)
    to_state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    dag_id: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(Text)


class Breaker(Base):
    """Circuit breaker and request rate of one OAuth client, shared by all processes."""

    __tablename__ = "breaker"

    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str | None] = mapped_column(Text)
    failed_mailbox_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """The different mailboxes that failed since the last success; fewer than the number that opens the breaker."""
    opened_at: Mapped[datetime | None] = mapped_column(Timestamp)
    cooldown_until: Mapped[datetime | None] = mapped_column(Timestamp)
    cooldown_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    probe_until: Mapped[datetime | None] = mapped_column(Timestamp)
    succeeded_at: Mapped[datetime | None] = mapped_column(Timestamp)
    pace: Mapped[float | None] = mapped_column(Float)
    pace_limited: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    pace_at: Mapped[datetime | None] = mapped_column(Timestamp)


class AuditRun(Base):
    """One audit of all grants, and its report."""

    __tablename__ = "audit"
    __table_args__ = (check_object("report"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[str] = mapped_column(Text, unique=True)
    actor: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)
    healthy: Mapped[int] = mapped_column(Integer)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Canary(Base):
    """A known text encrypted with the Fernet key, so that a process with a wrong key fails before it writes."""

    __tablename__ = "canary"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    ciphertext: Mapped[str] = mapped_column(Text)

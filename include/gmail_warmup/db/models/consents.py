"""Runs of the OAuth flow, invites and repair queues."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import ConsentPurpose, RepairOutcome
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_object, check_one_of, check_time


class Consent(Base):
    """One run of the OAuth flow, from its start to the callback."""

    __tablename__ = "consent"
    __table_args__ = (
        check_one_of("purpose", ConsentPurpose),
        check_object("mailbox_settings"),
        CheckConstraint("(airflow_user IS NULL) = (invite_id IS NOT NULL)", name="user_or_invite"),
        Index("ix_consent_mailbox_id", "mailbox_id"),
        Index("ix_consent_invite_id", "invite_id", postgresql_where=text("invite_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    state_hash: Mapped[str] = mapped_column(Text, unique=True)
    purpose: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    mailbox_settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    code_verifier: Mapped[str] = mapped_column(Text)
    airflow_user: Mapped[str | None] = mapped_column(Text)
    invite_id: Mapped[int | None] = mapped_column(ForeignKey("invite.id", ondelete="CASCADE"))
    browser_hash: Mapped[str] = mapped_column(Text)
    client_conn_id: Mapped[str | None] = mapped_column(Text)
    """The Connection of the OAuth client that the consent is given to; None for that of the options."""
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    outcome: Mapped[str | None] = mapped_column(Text)
    actual_address: Mapped[str | None] = mapped_column(Text)
    """The account that signed in, if it is another one than expected and the result is kept."""
    kept_result: Mapped[str | None] = mapped_column(Text)
    """The encrypted tokens, until a person decides whether the mailbox is renamed."""
    kept_until: Mapped[datetime | None] = mapped_column(Timestamp)


class Invite(Base):
    """A link for the owner of one mailbox to sign in at Google without an Airflow login."""

    __tablename__ = "invite"
    __table_args__ = (check_time("expires_at"), Index("ix_invite_mailbox_id", "mailbox_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked_by: Mapped[str | None] = mapped_column(Text)


class Repair(Base):
    """A mailbox in the repair queue of a user, who signs in for one mailbox after the other; one queue per user."""

    __tablename__ = "repair"
    __table_args__ = (
        check_one_of("outcome", RepairOutcome),
        Index("ix_repair_mailbox_id", "mailbox_id"),
        Index("ix_repair_consent_id", "consent_id"),
    )

    airflow_user: Mapped[str] = mapped_column(Text, primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    consent_id: Mapped[int | None] = mapped_column(ForeignKey("consent.id", ondelete="SET NULL"))
    """The consent that was last started from the queue; its callback continues the queue."""
    outcome: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    """Why the consent failed, as a sentence."""
    client_conn_id: Mapped[str | None] = mapped_column(Text)
    """The Connection of the OAuth client to which the mailbox is moved; None to repair its grant only."""

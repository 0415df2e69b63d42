"""The change log: what people changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp


class ChangeLogEntry(Base):
    """One change: who made it, when, how, and the values before and after.

    It outlives its mailbox; the trigger of ``FORGET_MAILBOX_CHANGES`` then removes address and values. The codes have
    no check constraint, so that a further action needs no migration.
    """

    __tablename__ = "change_log"
    __table_args__ = (
        Index("ix_change_log_at", "at"),
        Index("ix_change_log_mailbox_id", "mailbox_id", "id", postgresql_where=text("mailbox_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    """The address of the mailbox at that time, or the name of what was changed; empty for all mailboxes."""
    mailbox_id: Mapped[int | None] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

"""Readiness of warmup mailboxes for cold mail."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, SmallInteger, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import ReadinessState
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of


class MailboxReadiness(Base):
    """The readiness of a warmup mailbox as the last run found it, and the cold mails of its last local day.

    The state is computed from other tables whenever it is read. This row keeps what they do not contain: since when,
    and from which number of cold mails the next day grows.
    """

    __tablename__ = "mailbox_readiness"
    __table_args__ = (
        check_one_of("state", ReadinessState),
        Index("ix_mailbox_readiness_state", "state", "mailbox_id"),
    )

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    """When the mailbox entered the state."""
    local_date: Mapped[date] = mapped_column(Date)
    """The local day that the two numbers belong to."""
    cold_mails: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    cold_mails_before: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Cold mails of the last earlier day, or 0 if the mailbox was not ready."""

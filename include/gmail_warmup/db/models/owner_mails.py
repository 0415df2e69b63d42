"""Mails to the owners of mailboxes that need re-authentication."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp


class OwnerMail(Base):
    """What was mailed to the owner of a mailbox since it was flagged; the row stays when the mailbox recovers."""

    __tablename__ = "owner_mail"
    __table_args__ = (Index("ix_owner_mail_owner_email_sent_at", "owner_email", "sent_at"),)

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    owner_email: Mapped[str] = mapped_column(Text)
    flagged_at: Mapped[datetime] = mapped_column(Timestamp)
    """When the grant entered the state that the mails are about."""
    mails: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Number of mails that were sent."""
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Number of attempts since the last mail that was sent."""
    first_sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the last mail was sent."""
    next_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the next mail is due; None after the last one."""

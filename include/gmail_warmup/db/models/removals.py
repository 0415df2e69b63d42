"""Removals of mailboxes: their progress, and afterwards a receipt without the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import RemovalStep
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_object, check_one_of


class MailboxRemoval(Base):
    """The removal of a mailbox; at most one of each mailbox is in progress."""

    __tablename__ = "mailbox_removal"
    __table_args__ = (
        check_one_of("step", RemovalStep),
        check_object("receipt"),
        Index("uq_mailbox_removal_open", "mailbox_id", unique=True, postgresql_where=text("finished_at IS NULL")),
        Index("ix_mailbox_removal_finished_at", "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(BigInteger)
    """The number of the mailbox. No foreign key: the row outlives it."""
    requested_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    requested_by: Mapped[str] = mapped_column(Text)
    revoke_grant: Mapped[bool] = mapped_column(Boolean)
    trash_mail: Mapped[bool] = mapped_column(Boolean)
    step: Mapped[str] = mapped_column(Text, server_default=RemovalStep.TRASH)
    """The next step."""
    problem: Mapped[str | None] = mapped_column(Text)
    """Reason code: why the last attempt did not finish the step."""
    next_try_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    trashed: Mapped[int] = mapped_column(Integer, server_default="0")
    """Number of messages that were moved to the trash."""
    trashed_until: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The mails up to this id are in the trash."""
    trash_outcome: Mapped[str | None] = mapped_column(Text)
    """``done``, or the reason code why messages stay where they are; None if it was not requested."""
    revoke_outcome: Mapped[str | None] = mapped_column(Text)
    """``done``, or the reason code why Google did not revoke the grant; None if it was not requested."""
    receipt: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """Number of rows by what happened to them and by table."""
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)

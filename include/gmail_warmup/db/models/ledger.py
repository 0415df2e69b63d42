"""The ledger of warmup mail and its history."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import AuthenticationResult, BounceKind, MailStatus, Placement
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of
from gmail_warmup.db.models.mailbox import Mailbox


class LedgerEntry(Base):
    """One warmup mail, from the claim of its slot to its last event.

    A reply is a separate row that refers to the mail it answers (``parent_id``), so that both are delivered alike.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        check_one_of("status", MailStatus),
        check_one_of("placement", Placement),
        check_one_of("bounce_kind", BounceKind),
        check_one_of("spf_result", AuthenticationResult),
        check_one_of("dkim_result", AuthenticationResult),
        check_one_of("dmarc_result", AuthenticationResult),
        UniqueConstraint("sender_id", "local_date", "slot"),
        CheckConstraint("(slot IS NULL) = (parent_id IS NOT NULL)", name="slot_or_parent"),
        CheckConstraint("sender_id <> recipient_id", name="two_mailboxes"),
        Index("ix_ledger_unsent", "sender_id", postgresql_where=text("status IN ('claimed', 'drafted')")),
        Index("ix_ledger_unplaced", "recipient_id", "locate_due_at",
              postgresql_where=text("status = 'sent' AND parent_id IS NULL AND placement IS NULL")),
        Index("ix_ledger_unrescued", "recipient_id", "rescue_due_at",
              postgresql_where=text("rescue_due_at IS NOT NULL AND rescued_at IS NULL")),
        Index("ix_ledger_unread", "recipient_id", "read_due_at",
              postgresql_where=text("read_due_at IS NOT NULL AND read_at IS NULL")),
        Index("ix_ledger_unanswered", "recipient_id", "reply_due_at",
              postgresql_where=text("reply_due_at IS NOT NULL AND replied_at IS NULL")),
        Index("ix_ledger_uncollected", "recipient_id", "locate_due_at",
              postgresql_where=text("status = 'sent' AND parent_id IS NOT NULL AND collected_at IS NULL")),
        Index("ix_ledger_sender_id_claimed_at", "sender_id", "claimed_at"),
        Index("ix_ledger_unmarked", "recipient_id", "mark_due_at",
              postgresql_where=text("mark_due_at IS NOT NULL AND marked_at IS NULL")),
        Index("ix_ledger_untrashed_at_sender", "trash_due_at",
              postgresql_where=text("trash_due_at IS NOT NULL AND sender_trashed_at IS NULL")),
        Index("ix_ledger_untrashed_at_recipient", "trash_due_at",
              postgresql_where=text("recipient_gmail_id IS NOT NULL AND trash_due_at IS NOT NULL"
                                    " AND recipient_trashed_at IS NULL")),
        Index("ix_ledger_recipient_id_claimed_at", "recipient_id", "claimed_at"),
        Index("ix_ledger_stray_draft", "sender_id", "stray_draft_due_at",
              postgresql_where=text("stray_draft_due_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token: Mapped[str] = mapped_column(Text, unique=True)
    sender_id: Mapped[int | None] = mapped_column(ForeignKey(Mailbox.id, ondelete="CASCADE"))
    """None for a mail of a removed mailbox: see ``db.erasure``."""
    recipient_id: Mapped[int | None] = mapped_column(ForeignKey(Mailbox.id, ondelete="CASCADE"))
    """None for a mail to a removed mailbox."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("ledger.id", ondelete="CASCADE"), unique=True)
    turn: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    local_date: Mapped[date] = mapped_column(Date)
    slot: Mapped[int | None] = mapped_column(SmallInteger)
    due_at: Mapped[datetime] = mapped_column(Timestamp)
    status: Mapped[str] = mapped_column(Text, server_default=MailStatus.CLAIMED)
    failure: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    draft_id: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    subject: Mapped[str] = mapped_column(Text)
    rfc_message_id: Mapped[str | None] = mapped_column(Text)
    gmail_id: Mapped[str | None] = mapped_column(Text)
    thread_id: Mapped[str | None] = mapped_column(Text)
    locate_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    placement: Mapped[str | None] = mapped_column(Text)
    placed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    recipient_gmail_id: Mapped[str | None] = mapped_column(Text)
    recipient_thread_id: Mapped[str | None] = mapped_column(Text)
    rescue_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    rescued_at: Mapped[datetime | None] = mapped_column(Timestamp)
    read_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    read_at: Mapped[datetime | None] = mapped_column(Timestamp)
    important: Mapped[bool | None] = mapped_column(Boolean)
    starred: Mapped[bool | None] = mapped_column(Boolean)
    mark_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When a mail that is not opened is archived."""
    marked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    reply_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    replied_at: Mapped[datetime | None] = mapped_column(Timestamp)
    collected_at: Mapped[datetime | None] = mapped_column(Timestamp)
    bounced_at: Mapped[datetime | None] = mapped_column(Timestamp)
    bounce_status: Mapped[str | None] = mapped_column(Text)
    """Enhanced status code of the last delivery status notification; without ``bounced_at`` the mail is delayed."""
    bounce_kind: Mapped[str | None] = mapped_column(Text)
    """Why the mail bounced or is delayed, see ``BounceKind``."""
    bounce_text: Mapped[str | None] = mapped_column(Text)
    """What the receiving mail server answered, in one line."""
    auto_replied_at: Mapped[datetime | None] = mapped_column(Timestamp)
    notice_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Gmail ids, in the sender's mailbox, of the bounces and auto-replies to this mail."""
    trash_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    sender_trashed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    recipient_trashed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    stray_draft_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the sender's mailbox is searched for another draft of this mail; None if there cannot be one."""
    spf_result: Mapped[str | None] = mapped_column(Text)
    """What Google reported when it received the mail, read with the placement; None if it reported nothing."""
    spf_aligned: Mapped[bool | None] = mapped_column(Boolean)
    dkim_result: Mapped[str | None] = mapped_column(Text)
    dkim_aligned: Mapped[bool | None] = mapped_column(Boolean)
    dmarc_result: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    """The language of the mailbox that started the thread, at that time; None: drawn for the thread."""
    text_hash: Mapped[str | None] = mapped_column(Text)
    """Hash of the text without greeting and closing, so that the pair does not get it again soon."""


LEDGER_MIN_AGE = timedelta(days=40)
"""Minimum age of a mail that is moved to the history, independent of the settings."""

LEDGER_HISTORY = Table(
    "ledger_history",
    Base.metadata,
    *(Column(column.name, column.type, nullable=column.nullable) for column in LedgerEntry.__table__.columns),
    # The key of a partitioned table has to contain the partition column.
    PrimaryKeyConstraint("id", "claimed_at"),
    Index("ix_ledger_history_sender_id_claimed_at", "sender_id", "claimed_at"),
    Index("ix_ledger_history_recipient_id_claimed_at", "recipient_id", "claimed_at"),
    postgresql_partition_by="RANGE (claimed_at)",
)
"""Mails without anything due, partitioned by the month (in UTC) of their claim; whole months are dropped.

The table has the columns of the ledger, none of its constraints and few of its indexes: rows are written once. It has
no foreign keys, so that neither a new partition nor a batch of rows locks mailboxes; a trigger deletes the rows of a
deleted mailbox.
"""

"""Mailboxes, their health history and their daily counts."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Date,
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
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import DEFAULT_TARGET, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.db.base import Base
from gmail_warmup.db.identity import build_identity_sql
from gmail_warmup.db.models.columns import Timestamp, check_one_of, check_time
from gmail_warmup.db.models.schedules import ScheduleColumns, check_schedule


class Mailbox(ScheduleColumns, Base):
    """A Gmail mailbox of the operator."""

    __tablename__ = "mailbox"
    __table_args__ = (
        check_one_of("kind", MailboxKind),
        check_one_of("auth", MailboxAuth),
        CheckConstraint("address = lower(address)", name="address_lower"),
        UniqueConstraint("identity", "duplicate_number"),
        CheckConstraint("duplicate_number = 0 OR paused_at IS NOT NULL", name="duplicate_is_paused"),
        CheckConstraint("paused_until IS NULL OR paused_at IS NOT NULL", name="pause_with_end"),
        CheckConstraint("daily_target BETWEEN 1 AND 2000", name="daily_target"),
        *check_schedule(),
        CheckConstraint("length(signature) <= 500", name="signature"),
        CheckConstraint("owner_email = lower(owner_email) AND length(owner_email) <= 254", name="owner_email"),
        check_one_of("band", HealthBand),
        check_time("deferred_until"),
        Index("ix_mailbox_domain_address", "domain", "address", postgresql_include=["id", "kind"]),
        Index("ix_mailbox_paused", "address", postgresql_where=text("paused_at IS NOT NULL")),
        Index("ix_mailbox_paused_until", "paused_until", postgresql_where=text("paused_until IS NOT NULL")),
        Index("ix_mailbox_band", "band", "address", postgresql_include=["id", "band_since", "domain"],
              postgresql_where=text("kind = 'warmup' AND band <> 'healthy'")),
        Index("ix_mailbox_warmup_days", "warmup_days", "id", postgresql_where=text("kind = 'warmup'")),
        Index("ix_mailbox_next_send_at", "next_send_at",
              postgresql_where=text("kind = 'warmup' AND paused_at IS NULL")),
        Index("ix_mailbox_notices_due_at", "notices_due_at", postgresql_where=text("notices_due_at IS NOT NULL")),
        Index("ix_mailbox_owner_email_id", "owner_email", "id", postgresql_where=text("owner_email IS NOT NULL")),
        Index("ix_mailbox_last_received_claim_at_id", "last_received_claim_at", "id",
              postgresql_where=text("kind = 'pool' AND paused_at IS NULL")),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    address: Mapped[str] = mapped_column(Text, unique=True)
    domain: Mapped[str] = mapped_column(Text, Computed("split_part(address, '@', 2)", persisted=True))
    identity: Mapped[str] = mapped_column(Text, Computed(build_identity_sql("address"), persisted=True))
    """The Google mailbox that the address belongs to; unique among the mailboxes with the number 0."""
    duplicate_number: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """0, or more for a second address of a Google mailbox that was added before identities existed; it stays paused."""
    kind: Mapped[str] = mapped_column(Text)
    auth: Mapped[str] = mapped_column(Text, server_default=MailboxAuth.GRANT)
    display_name: Mapped[str | None] = mapped_column(Text)
    signature: Mapped[str | None] = mapped_column(Text)
    owner_email: Mapped[str | None] = mapped_column(Text)
    """The address of the person who is responsible for the mailbox, in stored form."""
    daily_target: Mapped[int] = mapped_column(SmallInteger, server_default=str(DEFAULT_TARGET))
    timezone: Mapped[str] = mapped_column(Text, server_default="UTC")
    label_id: Mapped[str | None] = mapped_column(Text)
    label_name: Mapped[str | None] = mapped_column(Text)
    """Name of the label with the id ``label_id``. If the setting differs, the new label is created on next use."""
    history_id: Mapped[str | None] = mapped_column(Text)
    """Point of Gmail's history up to which bounces and auto-replies were read."""
    notices_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When bounces and auto-replies to its mails are next read."""
    read_notice_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Gmail ids of the messages that the last search for bounces found and that were read. They are not read again."""
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    created_by: Mapped[str] = mapped_column(Text)
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)
    paused_by: Mapped[str | None] = mapped_column(Text)
    pause_reason: Mapped[str | None] = mapped_column(Text)
    paused_until: Mapped[date | None] = mapped_column(Date)
    """The local date on which a paused mailbox resumes; None: when a person resumes it."""
    resumed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deferred_until: Mapped[datetime | None] = mapped_column(Timestamp)
    deferred_reason: Mapped[str | None] = mapped_column(Text)
    gmail_retry_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """Until when Gmail wants no calls to the mailbox. No task is planned for it before."""
    warmup_days: Mapped[int] = mapped_column(Integer, server_default="0")
    """Days with at least one first mail sent, including today."""
    mails_placed: Mapped[int] = mapped_column(Integer, server_default="0")
    """Number of first mails found at their recipients. With the two counters below it keeps the rates."""
    mails_opened: Mapped[int] = mapped_column(Integer, server_default="0")
    """Number of those that were selected to be opened."""
    mails_answered: Mapped[int] = mapped_column(Integer, server_default="0")
    """Number of those that were selected to be answered."""
    next_send_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the next slot may be due: a cached hint. None: unknown, compute the plan."""
    last_received_claim_at: Mapped[datetime] = mapped_column(Timestamp, server_default=text("'epoch'"))
    """When a mail was last claimed for this pool mailbox. The longest-waiting ones are chosen first."""
    band: Mapped[str] = mapped_column(Text, server_default=HealthBand.HEALTHY)
    band_reason: Mapped[str | None] = mapped_column(Text)
    band_since: Mapped[datetime | None] = mapped_column(Timestamp)
    health_window_start: Mapped[date | None] = mapped_column(Date)
    """The first local day whose mails count for the health. If it is in the future, nothing is sent until then."""
    half_volume_on: Mapped[date | None] = mapped_column(Date)
    """The local day with half the volume, because Google's sending limit was reached on the sending day before."""
    sent_24h: Mapped[int | None] = mapped_column(Integer)
    """Mails in Gmail's Sent of the last 24 hours, from any client, at ``sent_24h_at``."""
    sent_24h_at: Mapped[datetime | None] = mapped_column(Timestamp)
    lease_holder: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)


class MailboxTag(Base):
    """A tag of a mailbox, in the stored form of ``mailboxes.tags``."""

    __tablename__ = "mailbox_tag"
    __table_args__ = (
        CheckConstraint("length(tag) BETWEEN 1 AND 50", name="tag"),
        Index("ix_mailbox_tag_tag_mailbox_id", "tag", "mailbox_id"),
    )

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(Text, primary_key=True)


class MailboxFailure(Base):
    """The period in which the tasks of a mailbox have been failing for a cause that concerns this mailbox."""

    __tablename__ = "mailbox_failure"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    last_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    not_working_at: Mapped[datetime] = mapped_column(Timestamp)
    """When the mailbox counts as not working, unless a task succeeds before."""
    failures: Mapped[int] = mapped_column(Integer, server_default="1")
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    """The last cause as a sentence, with Google's status and reason."""
    ended_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When a task succeeded again; the row is kept until that is reported."""
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class HealthEvent(Base):
    """One change of a mailbox's health band: its history, and the source of alerts."""

    __tablename__ = "health_event"
    __table_args__ = (
        Index("ix_health_event_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_health_event_at", "at", postgresql_using="brin"),
        Index("ix_health_event_unreported", "id", postgresql_where=text("alert_id IS NULL AND is_alertable")),
        Index("ix_health_event_alert_id", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    from_band: Mapped[str] = mapped_column(Text)
    to_band: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    placed: Mapped[int] = mapped_column(Integer)
    spam: Mapped[int] = mapped_column(Integer)
    bounced: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer, server_default="0")
    is_alertable: Mapped[bool] = mapped_column(Boolean)
    """Whether the operator is notified of it."""
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class MailboxDay(Base):
    """Results of the first mails that a mailbox sent on one local day, counted while the ledger is written.

    ``planned`` is the volume of the day: fixed when its first mail is claimed and only lowered afterwards. A check
    constraint keeps it at or above ``claimed``, which a trigger on the ledger counts, so that no row beyond the volume
    can be inserted.
    """

    __tablename__ = "mailbox_day"
    __table_args__ = (
        CheckConstraint("claimed <= planned", name="volume"),
        Index("ix_mailbox_day_local_date", "local_date"),
    )

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    local_date: Mapped[date] = mapped_column(Date, primary_key=True)
    ramp: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """The volume that the ramp allowed on this day."""
    planned: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    reduction_reason: Mapped[str | None] = mapped_column(Text)
    """Reason code: why fewer mails are planned, or were sent, than the ramp allowed."""
    claimed: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    sent: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    failed: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    inbox: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    spam: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    elsewhere: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    missing: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    rescued: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    read: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    replied: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    bounced: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    rejected: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Those of the bounced mails that were rejected as spam or by policy."""

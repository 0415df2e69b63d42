"""Sums for the overview: mails by domain and day, grants by state and day, and the volume of each domain."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Identity, Index, Integer, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import GrantState, MailboxKind
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of


class DomainDay(Base):
    """A part of the sums of ``mailbox_day`` for one domain and local date; the sum of all parts is exact at any time.

    A trigger adds each change of ``mailbox_day`` as a row of its own, so that two mailboxes never wait for each other.
    ``merge_domain_days`` replaces the rows of a domain and date by one, and adds a row for all domains together to each
    date that is today nowhere.
    """

    __tablename__ = "domain_day"
    __table_args__ = (
        Index("ix_domain_day_local_date", "local_date"),
        Index("ix_domain_day_domain_local_date", "domain", "local_date"),
        Index("ix_domain_day_open", "local_date", postgresql_where=text("timezone <> ''")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    domain: Mapped[str | None] = mapped_column(Text)
    """None for the sum of the rows of this date that have no time zone."""
    timezone: Mapped[str] = mapped_column(Text)
    """Time zone of the mailboxes, by which it is known whether the date is today; empty once it is today nowhere."""
    local_date: Mapped[date] = mapped_column(Date)
    ramp: Mapped[int] = mapped_column(Integer)
    planned: Mapped[int] = mapped_column(Integer)
    claimed: Mapped[int] = mapped_column(Integer)
    sent: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    inbox: Mapped[int] = mapped_column(Integer)
    spam: Mapped[int] = mapped_column(Integer)
    elsewhere: Mapped[int] = mapped_column(Integer)
    missing: Mapped[int] = mapped_column(Integer)
    rescued: Mapped[int] = mapped_column(Integer)
    read: Mapped[int] = mapped_column(Integer)
    replied: Mapped[int] = mapped_column(Integer)
    bounced: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)


class GrantDay(Base):
    """Number of grants in one state at the last audit of a day (in UTC), of one domain or of all."""

    __tablename__ = "grant_day"
    __table_args__ = (check_one_of("kind", MailboxKind), check_one_of("state", GrantState))

    domain: Mapped[str] = mapped_column(Text, primary_key=True)
    """Empty for all domains together."""
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text, primary_key=True)
    mailboxes: Mapped[int] = mapped_column(Integer)


class DomainVolume(Base):
    """What the mailboxes of one domain may send and receive, counted by each run of a DAG."""

    __tablename__ = "domain_volume"

    domain: Mapped[str] = mapped_column(Text, primary_key=True)
    counted_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    senders: Mapped[int] = mapped_column(Integer)
    """Warmup mailboxes that a task may use and whose domain may send."""
    receivers: Mapped[int] = mapped_column(Integer)
    """Pool mailboxes that a task may use."""
    planned: Mapped[int] = mapped_column(Integer)
    """Mails planned for today, including those of mailboxes that have not begun their day."""
    largest_plan: Mapped[int] = mapped_column(Integer)
    """The most mails planned for one mailbox today."""
    target: Mapped[int] = mapped_column(Integer)
    """Mails per day when all senders have finished their ramp."""
    largest_target: Mapped[int] = mapped_column(Integer)
    """The most mails per day of one sender that has finished its ramp."""
    ready: Mapped[int] = mapped_column(Integer, server_default="0")
    """Warmup mailboxes in this state of readiness, like the following three."""
    warming: Mapped[int] = mapped_column(Integer, server_default="0")
    resting: Mapped[int] = mapped_column(Integer, server_default="0")
    not_ready: Mapped[int] = mapped_column(Integer, server_default="0")
    cold_mails: Mapped[int] = mapped_column(Integer, server_default="0")
    """Cold mails that the ready mailboxes may send today."""

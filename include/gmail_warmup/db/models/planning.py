"""State of the warmup as a whole: halts, the basis of the plan and the checks of sending domains."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, SmallInteger, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of


class Halt(Base):
    """A period in which an operator stopped all actions; at most one is open."""

    __tablename__ = "halt"
    __table_args__ = (
        Index("uq_halt_open", text("(ended_at IS NULL)"), unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_halt_ended_at", "ended_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    started_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(Timestamp)
    ended_by: Mapped[str | None] = mapped_column(Text)


class PlanBasis(Base):
    """The settings with which the hints in ``mailbox.next_send_at`` were computed; one row."""

    __tablename__ = "plan_basis"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    settings: Mapped[str] = mapped_column(Text)


class DomainCheck(Base):
    """Result of the last check of one DNS record of a sending domain; ``bad_*`` describe a problem that persists."""

    __tablename__ = "domain_check"
    __table_args__ = (check_one_of("record", DnsRecord), check_one_of("result", DnsResult))

    domain: Mapped[str] = mapped_column(Text, primary_key=True)
    record: Mapped[str] = mapped_column(Text, primary_key=True)
    result: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, server_default="")
    checked_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    bad_code: Mapped[str | None] = mapped_column(Text)
    bad_since: Mapped[datetime | None] = mapped_column(Timestamp)
    bad_seen_at: Mapped[datetime | None] = mapped_column(Timestamp)

"""Schedules: what a mailbox or a tag sets of when and how much is sent; NULL is not set."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, SmallInteger, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp

SCHEDULE_LIMITS = {
    "ramp_start": (1, 500), "ramp_step": (0, 500), "ramp_cap": (1, 500), "maintenance_percent": (1, 100),
    "open_rate": (0, 100), "reply_rate": (0, 100), "rescue_rate": (0, 100), "important_rate": (0, 100),
    "star_rate": (0, 100),
}  # fmt: skip
"""Minimum and maximum of each number that a mailbox or a tag sets. A ramp has at most the mails a day that Google
permits a gmail.com mailbox."""


def check_schedule() -> tuple[CheckConstraint, ...]:
    """Return the check constraints of the columns of a schedule."""
    limits = (
        CheckConstraint(f"{name} BETWEEN {low} AND {high}", name=name) for name, (low, high) in SCHEDULE_LIMITS.items()
    )
    return (CheckConstraint("ramp IN ('linear', 'phases')", name="ramp"), *limits)


class ScheduleColumns:
    """The columns of a schedule, named like the options. ``mailboxes.schedules.values`` has their rules."""

    sending_window: Mapped[str | None] = mapped_column(Text, sort_order=1)
    sending_days: Mapped[str | None] = mapped_column(Text, sort_order=1)
    holidays: Mapped[str | None] = mapped_column(Text, sort_order=1)
    days_off: Mapped[str | None] = mapped_column(Text, sort_order=1)
    ramp: Mapped[str | None] = mapped_column(Text, sort_order=1)
    ramp_start: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    ramp_step: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    ramp_cap: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    maintenance_percent: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    open_rate: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    reply_rate: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    rescue_rate: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    important_rate: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    star_rate: Mapped[int | None] = mapped_column(SmallInteger, sort_order=1)
    language: Mapped[str | None] = mapped_column(Text, sort_order=1)
    """The language of the threads that a mailbox starts, as a language tag in lower case."""


class TagSchedule(ScheduleColumns, Base):
    """What a tag sets for the mailboxes that have it. A tag without a row sets nothing."""

    __tablename__ = "tag_schedule"
    __table_args__ = check_schedule()

    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    changed_by: Mapped[str] = mapped_column(Text, sort_order=1)

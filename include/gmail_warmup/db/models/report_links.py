"""Links to a weekly report that need no login."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Identity, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of, check_time


class ReportLink(Base):
    """A link that shows one weekly report until it expires or is revoked; only the hash of its token is stored."""

    __tablename__ = "report_link"
    __table_args__ = (check_one_of("scope_kind", ("fleet", "domain", "tag")), check_time("expires_at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    scope_kind: Mapped[str] = mapped_column(Text)
    scope_name: Mapped[str] = mapped_column(Text)
    """The domain or the tag; empty for all mailboxes."""
    week: Mapped[date] = mapped_column(Date)
    """The Monday of the week."""
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked_by: Mapped[str | None] = mapped_column(Text)

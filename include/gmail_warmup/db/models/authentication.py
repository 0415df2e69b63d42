"""What Google last reported about the authentication of the mail of a mailbox, and of a domain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from gmail_warmup.core.enums import AuthenticationMethod, AuthenticationResult
from gmail_warmup.db.base import Base
from gmail_warmup.db.models.columns import Timestamp, check_one_of
from gmail_warmup.db.models.mailbox import Mailbox


class _LastReport:
    """The columns that both tables share: the last report about one method, and the time of the last pass."""

    method: Mapped[str] = mapped_column(Text, primary_key=True)
    result: Mapped[str] = mapped_column(Text)
    is_aligned: Mapped[bool | None] = mapped_column(Boolean)
    """Whether the authenticated domain belongs to the From header; None for DMARC."""
    seen_at: Mapped[datetime] = mapped_column(Timestamp)
    passed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    """Number of mails in a row that this method did not authenticate."""

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        """Return the check constraints."""
        return check_one_of("method", AuthenticationMethod), check_one_of("result", AuthenticationResult)


class MailboxAuthentication(_LastReport, Base):
    """The last report about the mail of one mailbox."""

    __tablename__ = "mailbox_authentication"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey(Mailbox.id, ondelete="CASCADE"), primary_key=True, sort_order=-1)


class DomainAuthentication(_LastReport, Base):
    """The last report about the mail of all mailboxes of a domain."""

    __tablename__ = "domain_authentication"

    domain: Mapped[str] = mapped_column(Text, primary_key=True, sort_order=-1)

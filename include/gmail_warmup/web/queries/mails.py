"""Mails that one mailbox sent and received, for its page and the API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import AuthenticationResult, BounceKind
from gmail_warmup.db import clock
from gmail_warmup.db.models import LEDGER_HISTORY, LEDGER_MIN_AGE, Mailbox, MailStatus, Placement
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.mailboxes.records import MailboxRecord

MAILS_PER_PAGE = 50


class Direction(StrEnum):
    """Direction of a mail from the mailbox's point of view."""

    SENT = "sent"
    RECEIVED = "received"


class Mail(BaseModel):
    """One warmup mail or reply, from the point of view of the sender or the recipient."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    direction: Direction
    partner: str | None = Field(description="The address of the other mailbox; null if it was removed.")
    subject: str
    is_reply: bool
    status: MailStatus
    failure: str | None
    due_at: dt.datetime
    sent_at: dt.datetime | None
    placement: Placement | None = Field(
        description="Folder that Gmail chose; null before it was checked, and for a reply."
    )
    bounced_at: dt.datetime | None
    bounce_kind: BounceKind | None = Field(description="Why it bounced or is delayed; null if it is not.")
    bounce_status: str | None = Field(description="Enhanced status code of the bounce or delay (RFC 3463).")
    bounce_text: str | None = Field(description="What the receiving mail server answered.")
    rescued_at: dt.datetime | None
    read_at: dt.datetime | None
    replied_at: dt.datetime | None
    spf_result: AuthenticationResult | None = Field(
        description="What Google reported about the mail; null before it was found, and if Google reported nothing."
    )
    spf_aligned: bool | None = Field(description="Whether SPF passed or failed for the domain of the From header.")
    dkim_result: AuthenticationResult | None
    dkim_aligned: bool | None
    dmarc_result: AuthenticationResult | None

    @property
    def not_passed(self) -> str:
        """Return the methods of which Google reported something else than a pass, with their results."""
        results = {"SPF": self.spf_result, "DKIM": self.dkim_result, "DMARC": self.dmarc_result}
        return ", ".join(f"{name} {result}" for name, result in results.items() if result not in (None, "pass"))


class Mails(BaseModel):
    """Mails, newest first."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    mails: list[Mail]
    next_before: int | None = Field(description="Pass it as `before` to get older ones; null if there are none.")


def load_mails(connection: sa.Connection, record: MailboxRecord, *, before: int | None = None) -> Mails:
    """Return one page of sent and received mails, newest first; with ``before``, those older than that id."""
    at = None
    if before is not None:
        at = _find_claimed_at(connection, record, before)
        if at is None:
            return Mails(mails=[], next_before=None)  # unknown id
    rows = _load_mail_rows(connection, L.__table__, record, before=(at, before) if at else None)
    oldest = rows[MAILS_PER_PAGE].claimed_at if len(rows) > MAILS_PER_PAGE else None
    history_until = clock.get_current_time(connection) - LEDGER_MIN_AGE
    if oldest is None or oldest < history_until:
        # Read the history only if it can contain mails of this page.
        moved = _load_mail_rows(
            connection, LEDGER_HISTORY, record, before=(at, before) if at else None, claimed_before=history_until
        )
        rows = sorted([*rows, *moved], key=lambda row: (row.claimed_at, row.id), reverse=True)
    shown = rows[:MAILS_PER_PAGE]
    mails = convert_rows(shown, Mail.model_validate, table=L.__tablename__)
    return Mails(mails=mails, next_before=shown[-1].id if len(rows) > MAILS_PER_PAGE else None)


def _find_claimed_at(connection: sa.Connection, record: MailboxRecord, mail_id: int) -> dt.datetime | None:
    for table in (L.__table__, LEDGER_HISTORY):
        own = sa.or_(table.c.sender_id == record.id, table.c.recipient_id == record.id)
        # The limit stops the scan of the monthly partitions at the first match.
        query = sa.select(table.c.claimed_at).where(table.c.id == mail_id, own).limit(1)
        at: dt.datetime | None = connection.scalar(query)
        if at is not None:
            return at
    return None


def _load_mail_rows(
    connection: sa.Connection,
    table: Any,
    record: MailboxRecord,
    *,
    before: tuple[dt.datetime, int | None] | None,
    claimed_before: dt.datetime | None = None,
) -> list[sa.Row[Any]]:
    """Return one row more than a page from the ledger or its history, newest first.

    Args:
        before: time of claim and id of a mail; returns only older ones.
        claimed_before: returns only mails claimed before; it excludes partitions of the history.
    """
    conditions = [] if before is None else [sa.tuple_(table.c.claimed_at, table.c.id) < sa.tuple_(*before)]
    if before is not None:
        conditions.append(table.c.claimed_at <= before[0])  # selects the partitions
    if claimed_before is not None:
        conditions.append(table.c.claimed_at < claimed_before)
    # One query per direction uses one index each; a single one would read and sort all mails of the mailbox.
    both = sa.union_all(
        _select_direction(table, table.c.sender_id, record, table.c.recipient_id, Direction.SENT, conditions),
        _select_direction(table, table.c.recipient_id, record, table.c.sender_id, Direction.RECEIVED, conditions),
    ).subquery()
    query = sa.select(both).order_by(both.c.claimed_at.desc(), both.c.id.desc()).limit(MAILS_PER_PAGE + 1)
    return list(connection.execute(query))


def _select_direction(
    table: Any,
    own_id: sa.ColumnElement[int],
    record: MailboxRecord,
    partner_id: sa.ColumnElement[int],
    direction: Direction,
    conditions: Sequence[sa.ColumnElement[bool]],
) -> sa.Select[Any]:
    columns: list[sa.ColumnElement[Any]] = [
        sa.literal(direction.value).label("direction"),
        Mailbox.address.label("partner"),
        table.c.parent_id.is_not(None).label("is_reply"),
        *(table.c[name] for name in ("claimed_at", *Mail.model_fields) if name in table.c),
    ]
    query = (
        sa.select(*columns)
        .join_from(table, Mailbox, Mailbox.id == partner_id, isouter=True)
        .where(own_id == record.id, *conditions)
    )
    return query.order_by(table.c.claimed_at.desc(), table.c.id.desc()).limit(MAILS_PER_PAGE + 1)

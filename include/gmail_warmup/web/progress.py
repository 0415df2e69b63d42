"""What the mailboxes of a page did lately: sent and placed by warmup mailboxes, received and rescued by pool ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds as interval
from gmail_warmup.db.models import LedgerEntry, Mailbox, MailboxDay, MailboxKind, Placement
from gmail_warmup.mailboxes.records import MailboxRecord

DAYS = 7
"""So many local days are summed up, today's included."""

_D = MailboxDay


@dataclass(frozen=True, kw_only=True)
class Placed:
    """How many mails Gmail put where."""

    inbox: int = 0
    elsewhere: int = 0
    spam: int = 0
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a mailbox did. ``earlier_days`` are days before today on which it sent a mail; ``planned`` None: not yet."""

    earlier_days: int = 0
    taken: int = 0
    planned: int | None = None
    placed: Placed = field(default_factory=Placed)
    received: int = 0
    rescued: int = 0


def progress(connection: sa.Connection, records: Sequence[MailboxRecord]) -> dict[int, Progress]:
    """Return what these mailboxes did, by mailbox id."""
    senders = [record.id for record in records if record.kind is MailboxKind.WARMUP]
    receivers = [record.id for record in records if record.kind is MailboxKind.POOL]
    sent = _sent(connection, senders) if senders else {}
    return sent | (_received(connection, receivers) if receivers else {})


def _sent(connection: sa.Connection, ids: Collection[int]) -> dict[int, Progress]:
    today = sa.cast(sa.func.timezone(Mailbox.timezone, sa.func.now()), sa.Date)
    on_today = _D.local_date == today

    def summed(column: sa.SQLColumnExpression[int]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(column), 0)

    query = (
        sa.select(
            Mailbox.id,
            Mailbox.warmup_days,
            sa.func.coalesce(sa.func.max(_D.sent).filter(on_today), 0).label("sent"),
            sa.func.coalesce(sa.func.max(_D.claimed).filter(on_today), 0).label("taken"),
            sa.func.max(_D.planned).filter(on_today).label("planned"),
            *(summed(column).label(column.name) for column in (_D.inbox, _D.elsewhere, _D.spam, _D.missing)),
        )
        .outerjoin(_D, sa.and_(_D.mailbox_id == Mailbox.id, _D.local_date.between(today - (DAYS - 1), today)))
        .where(Mailbox.id.in_(ids))
        .group_by(Mailbox.id)
    )
    return {
        row.id: Progress(
            earlier_days=row.warmup_days - (row.sent > 0),
            taken=row.taken,
            planned=row.planned or None,
            placed=Placed(inbox=row.inbox, elsewhere=row.elsewhere, spam=row.spam, missing=row.missing),
        )
        for row in connection.execute(query)
    }


def _received(connection: sa.Connection, ids: Collection[int]) -> dict[int, Progress]:
    """Count the first mails of the last days; a mail counts when it was found, wherever that was."""
    ledger = LedgerEntry
    query = (
        sa.select(ledger.recipient_id, sa.func.count(ledger.placed_at), sa.func.count(ledger.rescued_at))
        .where(
            ledger.recipient_id.in_(ids),
            ledger.parent_id.is_(None),
            ledger.claimed_at > sa.func.now() - interval(DAYS * 86_400),
            ledger.placement != Placement.MISSING,
        )
        .group_by(ledger.recipient_id)
    )
    return {row[0]: Progress(received=row[1], rescued=row[2]) for row in connection.execute(query)}

"""Running counts per sender by which its open and reply rates hold over the whole ledger without reading it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.schedules.columns import SCHEDULE_COLUMNS
from gmail_warmup.warmup.ledger.entries import NOW, Entry
from gmail_warmup.warmup.planning.schedules import Schedule, find_schedule


@dataclass(frozen=True, kw_only=True)
class RateState:
    """A sender's schedule, and how many of its first mails were placed, selected to be opened and to be answered."""

    schedule: Schedule
    placed: int
    opened: int
    answered: int
    now: datetime


_SELECT_RATE_STATE = (
    sa.select(
        *SCHEDULE_COLUMNS, Mailbox.mails_placed.label("placed"),
        Mailbox.mails_opened.label("opened"), Mailbox.mails_answered.label("answered"), NOW.label("now"),
    )
    .where(Mailbox.id == sa.bindparam("id"))
    .with_for_update(of=Mailbox, key_share=True)
)  # fmt: skip


def load_rate_state(connection: sa.Connection, sender_id: int, settings: Settings) -> RateState:
    """Return the state for a sender's next decision, and lock the sender's row until the transaction ends.

    Two recipients of one sender decide at the same time; the lock orders them, so that the rates hold.
    """
    row = connection.execute(_SELECT_RATE_STATE, {"id": sender_id}).one()
    return RateState(
        schedule=find_schedule(row, settings),
        placed=row.placed,
        opened=row.opened,
        answered=row.answered,
        now=row.now,
    )


_RECORD_DECISION = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values(
        mails_placed=Mailbox.mails_placed + sa.bindparam("placed"),
        mails_opened=Mailbox.mails_opened + sa.bindparam("opened"),
        mails_answered=Mailbox.mails_answered + sa.bindparam("answered"),
    )
)


def record_rate_decision(
    connection: sa.Connection, entry: Entry, *, placed: int = 0, opened: int = 0, answered: int = 0
) -> None:
    """Count a decision about a first mail; -1 takes back one that turned out to be impossible."""
    if entry.parent_id is None:
        changes = {"placed": placed, "opened": opened, "answered": answered}
        connection.execute(_RECORD_DECISION, {"mailbox": entry.sender_id} | changes)

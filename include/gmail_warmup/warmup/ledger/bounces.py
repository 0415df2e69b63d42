"""Notices: the bounces and auto-replies that mails meet, as the ledger knows them. Who looks is ``actions.collect``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailStatus, Placement
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.warmup.ledger import entries as ledger

FIRST_SEARCH_DELAY = timedelta(minutes=15)
"""How long after a mail was sent its mailbox is looked through for notices."""
NEXT_SEARCH_DELAY = timedelta(hours=1)
LATE_SEARCH_DELAY = timedelta(hours=6)
"""While mails are neither found nor bounced."""
BOUNCE_SEARCH_PERIOD = timedelta(days=4)
"""Mail systems try to deliver for three days or so."""

_IS_UNFOUND = sa.and_(sa.or_(L.placement.is_(None), L.placement == Placement.MISSING), L.bounced_at.is_(None))
_IS_RECENT = sa.and_(
    L.status == MailStatus.SENT,
    L.sent_at > sa.func.now() - BOUNCE_SEARCH_PERIOD - timedelta(days=1),
    L.claimed_at
    > sa.func.now() - BOUNCE_SEARCH_PERIOD - timedelta(days=3),  # the indexes know the claim and the date alone
    L.local_date > sa.func.current_date() - 9,
)


# Every look of every mailbox needs these: they are built once.
_IS_SENDER, _IS_RECIPIENT = L.sender_id == sa.bindparam("mailbox_id"), L.recipient_id == sa.bindparam("mailbox_id")
_SELECT_SENT = sa.select(L.id, L.token, L.rfc_message_id, L.thread_id, L.notice_ids).where(_IS_SENDER, _IS_RECENT)
_SELECT_RECEIVED_IDS = sa.select(L.recipient_gmail_id).where(
    _IS_RECIPIENT, _IS_RECENT, L.recipient_gmail_id.is_not(None)
)
_UNFOUND_SINCE = (
    sa.select(sa.func.min(L.sent_at))
    .where(
        _IS_SENDER,
        L.status == MailStatus.SENT,
        L.sent_at > sa.func.now() - BOUNCE_SEARCH_PERIOD,
        L.sent_at <= sa.func.now() - sa.bindparam("patience", type_=sa.Interval),
        _IS_UNFOUND,
    )
    .scalar_subquery()
)
_IS_MAILBOX = Mailbox.id == sa.bindparam("mailbox_id")
_SELECT_WATCH = sa.select(Mailbox.history_id, _UNFOUND_SINCE.label("unfound_since")).where(
    _IS_MAILBOX, Mailbox.notices_due_at.is_not(None)
)
_SCHEDULE_SEARCH = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX)
    .values(
        notices_due_at=sa.func.coalesce(
            Mailbox.notices_due_at, sa.func.now() + sa.bindparam("within", type_=sa.Interval)
        ),
        history_id=sa.func.coalesce(Mailbox.history_id, sa.bindparam("history")),
    )
)
_NEXT, _LATER = sa.bindparam("next", type_=sa.Interval), sa.bindparam("later", type_=sa.Interval)
_RECORD_SEARCH = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX)
    .values(
        history_id=sa.bindparam("history"),
        notices_due_at=sa.case(
            (sa.exists().where(_IS_SENDER, _IS_RECENT, L.sent_at > sa.func.now() - _NEXT), sa.func.now() + _NEXT),
            (_UNFOUND_SINCE.is_not(None), sa.func.now() + _LATER),
        ),
    )
)


@dataclass(frozen=True, kw_only=True)
class SentMail:
    """A mail that may meet a notice."""

    id: int
    token: str
    rfc_message_id: str
    thread_id: str
    notice_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class BounceWatch:
    """Where a mailbox stands.

    Attributes:
        history_id: Gmail's history up to which notices were looked for; None if they never were.
        unfound_since: when the oldest mail was sent that is neither found nor bounced, of those that had the time for
            it; None if there is none.
    """

    history_id: str | None
    unfound_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class KnownMessages:
    """What a mailbox sent lately, and the Gmail ids of notices and of answers that were identified in it."""

    sent_mails: Sequence[SentMail]
    processed_ids: frozenset[str]


def select_waiting() -> sa.Select[Any]:
    """Return the mailboxes in which notices are to be looked for, and since when."""
    columns: tuple[Any, ...] = (Mailbox.id.label("mailbox_id"), Mailbox.notices_due_at.label("since"))
    return sa.select(*columns).where(Mailbox.notices_due_at <= sa.func.now())


def schedule_bounce_search(connection: sa.Connection, mailbox_id: int, history_id: str, *, within: timedelta) -> None:
    """Note that a mailbox sent a mail, so that notices are looked for; the first mail sets where its history begins.

    The row of the mailbox is locked until the transaction ends.
    """
    values = {"mailbox_id": mailbox_id, "within": within, "history": history_id}
    connection.execute(_SCHEDULE_SEARCH, values)


def load_bounce_watch(connection: sa.Connection, mailbox_id: int, *, patience: timedelta) -> BounceWatch | None:
    """Return where a mailbox stands, or None when there is nothing to look for.

    Args:
        patience: how long a mail has to be found by its recipient before its bounce is searched for.
    """
    row = connection.execute(_SELECT_WATCH, {"mailbox_id": mailbox_id, "patience": patience}).one_or_none()
    return BounceWatch(history_id=row.history_id, unfound_since=row.unfound_since) if row else None


def load_known_messages(connection: sa.Connection, mailbox_id: int) -> KnownMessages:
    """Return the mails that a notice in a mailbox may belong to."""
    mailbox = {"mailbox_id": mailbox_id}
    sent = connection.execute(_SELECT_SENT, mailbox).all()
    received = connection.scalars(_SELECT_RECEIVED_IDS, mailbox)
    return KnownMessages(
        sent_mails=[SentMail(**found._mapping) for found in sent],
        processed_ids=frozenset(filter(None, received)).union(*(found.notice_ids for found in sent)),
    )


def record_bounce_search(connection: sa.Connection, mailbox_id: int, history_id: str, *, scale: float) -> None:
    """Note up to where a mailbox was looked through, and set when to look next: soon, later, or after its next mail."""
    waits = {"next": NEXT_SEARCH_DELAY * scale, "later": LATE_SEARCH_DELAY * scale, "patience": timedelta(0)}
    connection.execute(_RECORD_SEARCH, {"mailbox_id": mailbox_id, "history": history_id} | waits)


def record_bounce(connection: sa.Connection, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    """Write a bounce into the row of its mail and count it; tell whether it is final and new.

    A mail that its recipient found did not bounce, whatever a notice says.
    """
    _record_notice(connection, entry_id, message_id, bounce_status=bounce.status)
    if not bounce.is_final:
        return False
    newly = ledger.update_entry(connection, entry_id, _IS_UNFOUND, bounced_at=sa.func.now(), locate_due_at=None)
    if newly:
        ledger.count_outcome(connection, ledger.get_entry(connection, entry_id), "bounced")
    return newly


def record_auto_reply(connection: sa.Connection, entry_id: int, message_id: str) -> None:
    """Write an auto-reply into the row of its mail; it is no reply, so nothing is counted."""
    _record_notice(connection, entry_id, message_id, auto_replied_at=sa.func.coalesce(L.auto_replied_at, sa.func.now()))


def _record_notice(connection: sa.Connection, entry_id: int, message_id: str, **values: Any) -> None:
    new = ~L.notice_ids.contains([message_id])
    ledger.update_entry(connection, entry_id, new, notice_ids=sa.func.array_append(L.notice_ids, message_id), **values)

"""The mailbox's own limit: Google counts what the person and every other client send as well, over 24 hours."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.errors import MayNotSendError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.records import MailboxRecord, is_consumer_address
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning.eligibility import build_blocker

log = logging.getLogger(__name__)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LOW_COUNT_MAX_AGE = 6 * _HOUR
"""How old a count may be that was below half of the limit; one above it may be an hour old."""


_SENT_SINCE_COUNT = sa.select(sa.func.count()).where(
    L.sender_id == Mailbox.id,
    L.local_date >= sa.cast(Mailbox.sent_24h_at, sa.Date) - 1,  # finds them by the index
    L.sent_at > Mailbox.sent_24h_at,
)
_SELECT_SENT_COUNT = sa.select(
    sa.func.now(),
    sa.func.coalesce(Mailbox.sent_24h, 0) + _SENT_SINCE_COUNT.correlate(Mailbox).scalar_subquery(),
    Mailbox.sent_24h_at,
).where(Mailbox.id == sa.bindparam("mailbox_id"))


_STORE_SENT_COUNT = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox_id"))
    .values(sent_24h=sa.bindparam("count"), sent_24h_at=sa.bindparam("at"))
)


def get_daily_limit(mailbox: MailboxRecord, settings: Settings) -> int:
    """Return how many mails Google lets a mailbox send in 24 hours."""
    return settings.consumer_daily_limit if is_consumer_address(mailbox.address) else settings.workspace_daily_limit


def enforce_sending_limit(desk: MailboxSession) -> None:
    """Go on if the mailbox may send one more mail by Google's limit; ask Gmail where what is known is too old.

    Raises:
        MayNotSendError: it may not; the mailbox is left alone for an hour.
    """
    limit = get_daily_limit(desk.mailbox, desk.settings)
    with connect_autocommit(desk.engine) as connection:
        now, count, counted_at = _load_sent_count(connection, desk.mailbox.id)
    if counted_at is None or now - counted_at >= (_HOUR if 2 * count >= limit else _LOW_COUNT_MAX_AGE):
        count = desk.gmail.count_sent(now - _DAY, up_to=limit)
        with connect_autocommit(desk.engine) as connection:
            connection.execute(_STORE_SENT_COUNT, {"mailbox_id": desk.mailbox.id, "count": count, "at": now})
    if count >= limit:
        _defer_and_raise(desk, now)


def _load_sent_count(connection: sa.Connection, mailbox_id: int) -> tuple[datetime, int, datetime | None]:
    """Return the time, the count that Gmail gave with what was sent since, and when Gmail gave it."""
    now, count, counted_at = connection.execute(_SELECT_SENT_COUNT, {"mailbox_id": mailbox_id}).one()
    return now, int(count), counted_at


def _defer_and_raise(desk: MailboxSession, now: datetime) -> None:
    with desk.engine.begin() as connection:
        values = {"deferred_until": now + _HOUR, "deferred_reason": "own_limit", "next_send_at": None}
        connection.execute(sa.update(Mailbox).where(Mailbox.id == desk.mailbox.id).values(values))
        ledger.record_reduction(connection, desk.mailbox.id, now.astimezone(desk.mailbox.zone).date(), "own_limit")
    raise MayNotSendError(str(build_blocker(desk.mailbox, "own_limit")))

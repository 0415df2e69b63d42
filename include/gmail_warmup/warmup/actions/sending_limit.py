"""Google's sending limit of a mailbox: over 24 hours, including what the person and other clients send."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import MayNotSendError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import autocommit, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.addresses import is_consumer_address
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.planning import daily_plan
from gmail_warmup.warmup.planning.eligibility import build_blocker

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LOW_COUNT_MAX_AGE = 6 * _HOUR
"""How long a count below half of the limit is valid; a higher one is valid for an hour."""


def get_daily_limit(mailbox: MailboxRecord, settings: Settings) -> int:
    """Return how many mails Google lets a mailbox send in 24 hours; fewer as long as its Workspace is new."""
    if is_consumer_address(mailbox.address):
        return settings.consumer_daily_limit
    if mailbox.address.rpartition("@")[2] in settings.new_workspaces:
        return min(settings.new_workspace_daily_limit, settings.workspace_daily_limit)
    return settings.workspace_daily_limit


_SENT_SINCE_COUNT = sa.select(sa.func.count()).where(
    L.sender_id == Mailbox.id,
    L.local_date >= sa.cast(Mailbox.sent_24h_at, sa.Date) - 1,  # lets the index find them
    L.sent_at > Mailbox.sent_24h_at,
)
_SELECT_SENT_COUNT = sa.select(
    sa.func.now().label("now"),
    # what Gmail counted, and what was sent since
    (sa.func.coalesce(Mailbox.sent_24h, 0) + _SENT_SINCE_COUNT.correlate(Mailbox).scalar_subquery()).label("count_now"),
    Mailbox.sent_24h_at.label("counted_at"),
).where(Mailbox.id == sa.bindparam("mailbox_id"))
_STORE_SENT_COUNT = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox_id"))
    .values(sent_24h=sa.bindparam("count"), sent_24h_at=sa.bindparam("at"))
)


def enforce_sending_limit(session: MailboxSession) -> None:
    """Check that Google's limit allows one more mail; the count is requested from Gmail if the stored one is too old.

    Raises:
        MayNotSendError: the limit is reached; the mailbox is deferred for an hour.
    """
    limit = get_daily_limit(session.mailbox, session.settings)
    with autocommit(session.engine) as connection:
        row = connection.execute(_SELECT_SENT_COUNT, {"mailbox_id": session.mailbox.id}).one()
    now, count, counted_at = row.now, int(row.count_now), row.counted_at
    if counted_at is None or now - counted_at >= (_HOUR if 2 * count >= limit else _LOW_COUNT_MAX_AGE):
        count = session.gmail.count_sent(now - _DAY, up_to=limit)
        with autocommit(session.engine) as connection:
            connection.execute(_STORE_SENT_COUNT, {"mailbox_id": session.mailbox.id, "count": count, "at": now})
    if count >= limit:
        local_date = now.astimezone(session.mailbox.zone).date()
        _defer_mailbox(session, until=now + _HOUR, reason="own_limit", local_date=local_date)
        raise MayNotSendError(str(build_blocker(session.mailbox, "own_limit")))


def defer_until_tomorrow(session: MailboxSession, retry_after: float | None = None) -> None:
    """Defer a mailbox that Google refused for its sending limit to its next local day, and halve its next volume.

    Args:
        retry_after: seconds to wait that Gmail named; nothing is sent before. A day or more is ignored: it is not
            plausible for a limit of 24 hours.
    """
    with autocommit(session.engine) as connection:
        local = clock.get_current_time(connection).astimezone(session.mailbox.zone)
    tomorrow = (local + _DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    half_volume_on = daily_plan.find_next_sending_day(session.mailbox, now=local, settings=session.settings)
    named = local + timedelta(seconds=retry_after or 0)
    until = max(tomorrow, named) if named - local < _DAY else tomorrow
    _defer_mailbox(session, until=until, reason="sending_limit", local_date=local.date(), half_volume_on=half_volume_on)


def _defer_mailbox(session: MailboxSession, *, until: datetime, reason: str, local_date: date, **values: Any) -> None:
    values |= {"deferred_until": until, "deferred_reason": reason, "next_send_at": None}
    with write_transaction(session.engine) as connection:
        connection.execute(sa.update(Mailbox).where(Mailbox.id == session.mailbox.id).values(values))
        daily_counters.record_reduction(connection, session.mailbox.id, local_date, reason)

"""Upkeep, daily: what is done with leaves the ledger, and what is older than it is kept for is removed for good.

Every batch is a transaction of its own and short, so nobody waits for it, and a run that ends in the middle has lost
nothing: the next one goes on. Only mails are kept by the month, in partitions. Of everything else a mailbox has so few
rows (a day's counts a day, some events a year) that its index finds the old ones and deleting them costs little.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from gmail_warmup.db import moment
from gmail_warmup.db.models import (
    Alert,
    AlertItem,
    AuditRun,
    Consent,
    GrantEvent,
    HealthEvent,
    Incident,
    Invite,
    MailboxDay,
)
from gmail_warmup.settings import Settings
from gmail_warmup.warmup import ledger_history

log = logging.getLogger(__name__)

LONGEST = 900.0
"""Seconds after which no further batch is begun."""
AT_ONCE = 10_000
"""Rows that are removed in one transaction."""
LINKS_KEPT = timedelta(days=90)
"""How long consents and invites are kept after they have expired, for whoever asks what became of a link."""

_UPKEEP = 7_310_575_252_113_449_332
"""The key of the advisory lock, next to that of the alerts."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What one run did.

    Attributes:
        moved: mails that left the ledger for its history.
        months: months of mails that were dropped.
        removed: rows removed of everything else.
        finished: whether nothing is left to do for now.
    """

    moved: int
    months: int
    removed: int
    finished: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a log shows it."""
        moved = f"{self.moved} mails left the ledger for its history"
        return f"{moved}, {self.months} months of mails were dropped, {self.removed} other rows removed"


def kept_since(now: datetime, months: int) -> datetime:
    """Return the beginning, in UTC, of the oldest month that is kept: so many whole months and the one that runs."""
    year, month = divmod(now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def keep_up(engine: sa.Engine, settings: Settings, *, longest: float = LONGEST) -> Upkeep:
    """Move and remove what is due for it; may run at any time, and twice at a time.

    Args:
        longest: seconds after which no further batch is begun; what is left is done by the next run.
    """
    ends = time.monotonic() + longest
    with engine.begin() as connection:
        now = moment.now(connection)
    moved, all_moved = _move(engine, now, settings, ends)
    before = kept_since(now, settings.history_months) if settings.history_months else None
    months = 0
    if before:
        with engine.begin() as connection:
            months = ledger_history.drop(connection, before=before)
    removed, all_removed = _remove(engine, now, before, ends)
    return Upkeep(moved=moved, months=months, removed=removed, finished=all_moved and all_removed)


def _move(engine: sa.Engine, now: datetime, settings: Settings, ends: float) -> tuple[int, bool]:
    until, after, mails = now - timedelta(days=settings.ledger_days), 0, 0
    while time.monotonic() < ends:
        with engine.begin() as connection:
            if not _alone(connection):
                return mails, False
            batch = ledger_history.move(connection, after=after, until=until, now=now)
        mails += batch.mails
        if batch.done or batch.last_id is None:
            return mails, True
        after = batch.last_id
    return mails, False


def _alone(connection: sa.Connection) -> bool:
    """Take the place of the one that moves, until the transaction ends; tell whether it was free."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_UPKEEP))))


Step = Callable[[sa.Connection], int]
"""Removes at most `AT_ONCE` rows of a kind and returns how many."""


def _remove(engine: sa.Engine, now: datetime, before: datetime | None, ends: float) -> tuple[int, bool]:
    removed = 0
    for step in _steps(now, before):
        while True:
            if time.monotonic() >= ends:
                return removed, False
            with engine.begin() as connection:
                gone = step(connection)
            removed += gone
            if not gone:
                break
    return removed, True


def _steps(now: datetime, before: datetime | None) -> Iterator[Step]:
    """Yield what to remove; events come before the alerts that told them, or these would seem untold."""
    for link in (Consent, Invite):
        yield _rows(link, link.expires_at < now - LINKS_KEPT)
    if before is None:
        return
    yield _days(before)
    yield _grant_events(before)
    newer = aliased(HealthEvent)
    yield _rows(
        HealthEvent, HealthEvent.at < before,
        sa.or_(HealthEvent.alert_id.is_not(None), ~HealthEvent.told),
        sa.exists().where(newer.mailbox_id == HealthEvent.mailbox_id, newer.at > HealthEvent.at),
    )  # fmt: skip
    yield _rows(Incident, Incident.closed_at < before, Incident.closed_alert_id.is_not(None))
    yield _rows(
        Alert, Alert.created_at < before,
        ~sa.exists().where(AlertItem.alert_id == Alert.id),
        ~sa.exists().where(HealthEvent.alert_id == Alert.id),
        ~sa.exists().where(sa.or_(Incident.opened_alert_id == Alert.id, Incident.closed_alert_id == Alert.id)),
    )  # fmt: skip
    later = aliased(AuditRun)
    newer_report = sa.exists().where(later.id > AuditRun.id, later.finished_at.is_not(None))
    yield _rows(AuditRun, AuditRun.started_at < before, newer_report)


def _rows(model: Any, *conditions: sa.ColumnElement[bool]) -> Step:
    old = sa.select(model.id).where(*conditions).order_by(model.id).limit(AT_ONCE)
    return lambda connection: connection.execute(sa.delete(model).where(model.id.in_(old))).rowcount


def _days(before: datetime) -> Step:
    key = sa.tuple_(MailboxDay.mailbox_id, MailboxDay.local_date)
    old = sa.select(MailboxDay.mailbox_id, MailboxDay.local_date).where(MailboxDay.local_date < before.date())
    return lambda connection: connection.execute(sa.delete(MailboxDay).where(key.in_(old.limit(AT_ONCE)))).rowcount


def _grant_events(before: datetime) -> Step:
    """Remove old events by the function for it: the role may not remove any. The last one of a mailbox stays."""
    newer = aliased(GrantEvent)
    old = (
        sa.select(GrantEvent.id)
        .where(
            GrantEvent.at < before,
            sa.exists().where(newer.mailbox_id == GrantEvent.mailbox_id, newer.at > GrantEvent.at),
            ~sa.exists().where(AlertItem.event_id == GrantEvent.id, AlertItem.alert_id.is_(None)),
        )
        .order_by(GrantEvent.id)
        .limit(AT_ONCE)
    )

    def step(connection: sa.Connection) -> int:
        ids = sa.literal(list(connection.scalars(old)), ARRAY(sa.BigInteger))
        return int(connection.execute(sa.select(sa.func.gmail_warmup.forget_grant_events(ids))).scalar_one())

    return step

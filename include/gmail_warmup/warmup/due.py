"""What is due: which mailboxes have something to do for which action, at the database's time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import GrantState, Mailbox, MailboxKind, MailStatus, OAuthGrant
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.settings import Settings
from gmail_warmup.warmup import ledger
from gmail_warmup.warmup.plan import Slot, day_plan, slots_due
from gmail_warmup.warmup.ramp import volume


class Action(StrEnum):
    """What a task does in one mailbox, in the order of a mail's life."""

    SEND = "send"
    RESCUE = "rescue"
    READ = "read"
    REPLY = "reply"
    COLLECT = "collect"


WORKS = sa.and_(
    Mailbox.paused_at.is_(None),
    sa.or_(
        OAuthGrant.state == GrantState.ACTIVE,
        sa.and_(
            OAuthGrant.state == GrantState.SUSPECT,
            sa.or_(OAuthGrant.access_expires_at > sa.func.now(), OAuthGrant.next_probe_at <= sa.func.now()),
        ),
    ),
)
"""A mailbox that a task may use. A flagged or paused one costs nothing: no task, no token request."""

NOT_DEFERRED = sa.or_(Mailbox.deferred_until.is_(None), Mailbox.deferred_until <= sa.func.now())


@dataclass(frozen=True, kw_only=True)
class History:
    """What a sender did: days with a mail before today, slots taken today, the last claim."""

    days: int = 0
    taken: tuple[int, ...] = ()
    last_claim: datetime | None = None


def volume_of(mailbox: MailboxRecord, days: int, *, settings: Settings) -> int:
    """Return how many mails today's step of the ramp allows a warmup mailbox.

    Args:
        days: earlier days on which it sent at least one mail.
    """
    return volume(
        warmup_day=days + 1,
        daily_target=mailbox.daily_target,
        start=settings.ramp_start,
        step=settings.ramp_step,
        cap=settings.ramp_cap,
    )


def slots_of(mailbox: MailboxRecord, days: int, *, now: datetime, settings: Settings) -> tuple[Slot, ...]:
    """Return today's slots of a warmup mailbox. Pure: the same input gives the same slots.

    Args:
        days: earlier days on which it sent at least one mail.
    """
    opened = [mailbox.created_at, *(when for when in (mailbox.resumed_at, mailbox.granted_at) if when)]
    local_date = now.astimezone(mailbox.zone).date()
    # A run sends one mail per mailbox, so slots lie a run apart, and the last run of the day still sends the last one.
    start, end = settings.window_minutes
    window = start, max(start + 1, end - settings.run_interval // 60)
    return day_plan(
        seed=mailbox.address,
        local_date=local_date,
        zone=mailbox.zone,
        volume=volume_of(mailbox, days, settings=settings),
        window=window,
        weekdays=settings.weekdays,
        min_gap=timedelta(seconds=max(settings.min_gap, settings.run_interval)),
        open_from=max(opened),  # a day that began before opens at the beginning of its hours
        scale=settings.delay_scale,
    )


def send_due(mailbox: MailboxRecord, history: History, *, now: datetime, settings: Settings) -> tuple[Slot, ...]:
    """Return the slots that may be claimed now; at most one if a minimum gap is set.

    Slots that an outage left behind are sent one gap apart, within the hours; what the day's end cuts off is not
    carried over.
    """
    gap = timedelta(seconds=settings.min_gap * settings.delay_scale)
    if history.last_claim and gap and now - history.last_claim < gap:
        return ()
    local = now.astimezone(mailbox.zone)
    start, end = settings.window_minutes
    if not start <= local.hour * 60 + local.minute < end:
        return ()
    due = slots_due(slots_of(mailbox, history.days, now=now, settings=settings), now=now, taken=history.taken)
    return due[:1] if gap else due


def histories(connection: sa.Connection, mailbox_ids: Collection[int] | None = None) -> dict[int, History]:
    """Return what the senders did, by mailbox id; all of them unless some are named."""
    today = sa.cast(sa.func.timezone(Mailbox.timezone, sa.func.now()), sa.Date)
    is_today = L.local_date == today
    query = (
        sa.select(
            L.sender_id,
            sa.func.count(L.local_date.distinct())
            .filter(L.status == MailStatus.SENT, L.local_date < today)
            .label("days"),
            sa.func.array_agg(L.slot).filter(is_today).label("taken"),
            sa.func.max(L.claimed_at).filter(is_today).label("last_claim"),
        )
        .join(Mailbox, Mailbox.id == L.sender_id)
        .where(L.parent_id.is_(None))
        .group_by(L.sender_id)
    )
    if mailbox_ids is not None:
        query = query.where(L.sender_id.in_(mailbox_ids))
    return {
        row.sender_id: History(days=row.days, taken=tuple(row.taken or ()), last_claim=row.last_claim)
        for row in connection.execute(query)
    }


def find_due(
    connection: sa.Connection, action: Action, settings: Settings, *, only: Iterable[str] | None = None
) -> list[str]:
    """Return the addresses with something due for an action; those that waited longest come first.

    Args:
        only: addresses to look at; all if None.

    Raises:
        UnknownMailboxError: if ``only`` names an address that is no mailbox.
    """
    chosen = None if only is None else [mailbox.address for mailbox in repository.by_addresses(connection, only)]
    if action is Action.SEND:
        now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
        return _senders(connection, settings, now, chosen)
    return _recipients(connection, chosen, *_DUE[action])


_DUE: dict[Action, tuple[sa.ColumnElement[bool], ...]] = {
    Action.RESCUE: (ledger.UNPLACED, ledger.UNRESCUED),
    Action.READ: (ledger.UNREAD,),
    Action.REPLY: (ledger.UNANSWERED,),
    Action.COLLECT: (ledger.UNCOLLECTED,),
}


def _senders(connection: sa.Connection, settings: Settings, now: datetime, only: list[str] | None) -> list[str]:
    query = repository.SELECT.where(Mailbox.kind == MailboxKind.WARMUP, WORKS, NOT_DEFERRED)
    unsent = sa.select(L.sender_id, sa.func.min(L.claimed_at)).where(ledger.UNSENT_FIRST).group_by(L.sender_id)
    if only is not None:
        query = query.where(Mailbox.address.in_(only))
    history = histories(connection)
    waiting: dict[int, Any] = {row[0]: row[1] for row in connection.execute(unsent)}
    due: list[tuple[datetime, str]] = []
    for mailbox in map(repository.record, connection.execute(query)):
        if mailbox.id in waiting:
            due.append((waiting[mailbox.id], mailbox.address))
        elif slots := send_due(mailbox, history.get(mailbox.id, History()), now=now, settings=settings):
            due.append((slots[0].due_at, mailbox.address))
    return [address for _, address in sorted(due)]


def _recipients(connection: sa.Connection, only: list[str] | None, *conditions: sa.ColumnElement[bool]) -> list[str]:
    query = (
        sa.select(Mailbox.address)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .join(L, L.recipient_id == Mailbox.id)
        .where(WORKS, sa.or_(*conditions))
        .group_by(Mailbox.address)
        .order_by(sa.func.min(L.id))
    )
    if only is not None:
        query = query.where(Mailbox.address.in_(only))
    return list(connection.scalars(query))

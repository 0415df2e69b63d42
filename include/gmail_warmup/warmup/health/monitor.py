"""Health monitor: judge a mailbox by its stored counts whenever an outcome is counted or a mail is claimed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction, HealthBand
from gmail_warmup.db.clock import to_local_date
from gmail_warmup.db.models import HealthEvent, Mailbox, MailboxDay
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.change_log import record_mailbox_changes
from gmail_warmup.warmup.health.bands import HEALTH_WINDOW, HealthSample, HealthStatus, compute_next_status

_D = MailboxDay

LOCAL_TODAY = to_local_date(Mailbox.timezone, sa.func.now())
"""The local day of a mailbox, by the database clock. Each use is a call of a function, which costs a microsecond."""
LOCAL_DAY = sa.select(LOCAL_TODAY.label("today")).offset(0).correlate(Mailbox).lateral("local_day")
"""The local day of each mailbox of a query, for one with many uses: OFFSET keeps it from being computed for each."""
ZONE_DAYS = sa.select(Mailbox.timezone, LOCAL_TODAY.label("today")).group_by(Mailbox.timezone).subquery("zone_day")
"""The local day of each time zone in use, for queries about all mailboxes."""

PLACED_COUNT = _D.inbox + _D.spam + _D.elsewhere
IS_IN_WINDOW = sa.and_(
    _D.local_date > LOCAL_DAY.c.today - HEALTH_WINDOW.days,
    sa.or_(Mailbox.health_window_start.is_(None), _D.local_date >= Mailbox.health_window_start),
)
"""The days by which a mailbox's health is judged. The query joins ``LOCAL_DAY``."""
_SAMPLE_PREFIX = "sample_"
"""Prefix of the labels of the sums, which a query may select next to other counts."""

_STATUS_COLUMNS = (
    Mailbox.id, Mailbox.band, Mailbox.band_reason, Mailbox.band_since, Mailbox.health_window_start,
    sa.func.now().label("now"), LOCAL_TODAY.label("today"),
)  # fmt: skip

ENGINE_ACTOR = "warmup"
"""The actor of changes that follow from the sample."""
_BANDS_WITHOUT_ALERT = frozenset({HealthBand.HEALTHY, HealthBand.WATCH})


def to_health_status(mailbox: Any) -> HealthStatus:
    """Return the health status of a row or record of a mailbox."""
    return HealthStatus(
        band=HealthBand(mailbox.band),
        reason=mailbox.band_reason,
        since=mailbox.band_since,
        window_start=mailbox.health_window_start,
    )


def build_sample_columns() -> tuple[sa.Label[int], ...]:
    """Return the sums of the window over ``mailbox_day`` joined to ``mailbox`` and `LOCAL_DAY`."""
    counts = {"placed": PLACED_COUNT} | {name: getattr(_D, name) for name in ("spam", "missing", "bounced", "rejected")}
    return tuple(
        sa.func.coalesce(sa.func.sum(count).filter(IS_IN_WINDOW), 0).label(_SAMPLE_PREFIX + name)
        for name, count in counts.items()
    )


def to_health_sample(row: Any) -> HealthSample:
    """Return the sample of a row that has the columns of `build_sample_columns`."""
    counts = {field.name: int(row._mapping[_SAMPLE_PREFIX + field.name]) for field in fields(HealthSample)}
    return HealthSample(**counts)


# The condition repeats the window's start without the mailbox, so that the index alone finds the few days.
_IS_RECENT_DAY = _D.local_date > sa.cast(sa.func.now(), sa.Date) - HEALTH_WINDOW.days - 1
_SELECT_HEALTH = (
    sa.select(*_STATUS_COLUMNS, *build_sample_columns())
    .select_from(Mailbox)
    .join(LOCAL_DAY, sa.true())
    .outerjoin(_D, sa.and_(_D.mailbox_id == Mailbox.id, _IS_RECENT_DAY))
    .where(Mailbox.id == sa.bindparam("id"))
    .group_by(Mailbox.id)
)


def update_health_band(connection: sa.Connection, mailbox_id: int, *, actor: str = ENGINE_ACTOR) -> HealthStatus:
    """Judge a mailbox by its current sample, store a changed band, and return its health status.

    Lock order: the caller has locked the mailbox's row, so concurrent calls judge one after another. A change is stored
    as an event and clears the plan's hint of the next send time, because the volume changes with it.
    """
    row = connection.execute(_SELECT_HEALTH, {"id": mailbox_id}).one()
    before, sample = to_health_status(row), to_health_sample(row)
    after = compute_next_status(before, sample, now=row.now, today=row.today)
    if after != before:
        _store_band_change(connection, mailbox_id, before, after, sample, actor=actor)
    return after


def _store_band_change(
    connection: sa.Connection,
    mailbox_id: int,
    before: HealthStatus,
    after: HealthStatus,
    sample: HealthSample,
    *,
    actor: str,
) -> None:
    values = {
        "band": after.band, "band_reason": after.reason if after.band is not HealthBand.HEALTHY else None,
        "band_since": after.since, "health_window_start": after.window_start, "next_send_at": None,
    }  # fmt: skip
    connection.execute(sa.update(Mailbox).where(Mailbox.id == mailbox_id).values(values))
    connection.execute(
        sa.insert(HealthEvent).values(
            mailbox_id=mailbox_id,
            actor=actor,
            from_band=before.band,
            to_band=after.band,
            reason=after.reason,
            placed=sample.placed,
            spam=sample.spam,
            bounced=sample.bounced,
            rejected=sample.rejected,
            # No alert for changes made by a person.
            is_alertable=actor == ENGINE_ACTOR and not {before.band, after.band} <= _BANDS_WITHOUT_ALERT,
        )
    )


def requalify_mailboxes(connection: sa.Connection, addresses: Collection[str], *, actor: str) -> int:
    """Let paused and blocked mailboxes send a new sample from today on; return how many were changed.

    Only a person calls this. It is the only way out of ``blocked``, and it ends the rest of ``paused``. Mails of
    earlier days are no longer counted. A mailbox that is being removed is left out.
    """
    is_stopped = Mailbox.band.in_((HealthBand.PAUSED, HealthBand.BLOCKED))
    ids = removals.lock_kept(connection, Mailbox.address.in_(addresses), is_stopped)
    rows = connection.execute(sa.select(*_STATUS_COLUMNS).where(Mailbox.id.in_(ids)).order_by(Mailbox.id)).all()
    is_stopped, action = Mailbox.id.in_(ids), ChangeAction.MAILBOX_REQUALIFY
    with record_mailbox_changes(connection, is_stopped, _RELEASED_COLUMNS, action=action, actor=actor):
        return _release(connection, rows, actor=actor)


_RELEASED_COLUMNS = ("band", "band_reason", "health_window_start")


def _release(connection: sa.Connection, rows: Sequence[sa.Row[Any]], *, actor: str) -> int:
    changed = 0
    for row in rows:
        before = to_health_status(row)
        if before.is_requalifying(row.today):
            continue
        after = HealthStatus(
            band=HealthBand.PAUSED,
            reason="released",
            since=row.now,
            window_start=_find_sample_start(connection, row.id, row.today),
        )
        sample = to_health_sample(connection.execute(_SELECT_HEALTH, {"id": row.id}).one())
        _store_band_change(connection, row.id, before, after, sample, actor=actor)
        changed += 1
    return changed


def _find_sample_start(connection: sa.Connection, mailbox_id: int, today: date) -> date:
    """Return today, or tomorrow if the mailbox has claimed mails today, which would count in the new sample."""
    claimed_today = sa.select(_D.claimed).where(_D.mailbox_id == mailbox_id, _D.local_date == today, _D.claimed > 0)
    if connection.scalar(claimed_today) is None:
        return today
    return today + timedelta(days=1)


def list_band_changes(connection: sa.Connection, mailbox_id: int, *, limit: int = 50) -> list[sa.Row[Any]]:
    """Return the changes of a mailbox's band with their samples, newest first."""
    E = HealthEvent
    query = sa.select(E.at, E.actor, E.from_band, E.to_band, E.reason, E.placed, E.spam, E.bounced, E.rejected)
    return list(connection.execute(query.where(E.mailbox_id == mailbox_id).order_by(E.id.desc()).limit(limit)))

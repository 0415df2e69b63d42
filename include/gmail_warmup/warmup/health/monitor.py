"""Checkups: the health of a mailbox as the tables know it, looked at whenever a mail's fate is counted or claimed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.db.models import HealthEvent, Mailbox, MailboxDay
from gmail_warmup.warmup.health.bands import HEALTH_WINDOW, HealthSample, HealthStatus, compute_next_status

_D = MailboxDay

LOCAL_TODAY = sa.cast(sa.func.timezone(Mailbox.timezone, sa.func.now()), sa.Date)
"""The local day of a mailbox, by the database's clock."""

PLACED_COUNT = _D.inbox + _D.spam + _D.elsewhere
IS_IN_WINDOW = sa.and_(
    _D.local_date > LOCAL_TODAY - HEALTH_WINDOW.days,
    sa.or_(Mailbox.health_window_start.is_(None), _D.local_date >= Mailbox.health_window_start),
)
"""The days of a mailbox that its health is judged by."""

_STATUS_COLUMNS = (
    Mailbox.id, Mailbox.band, Mailbox.band_reason, Mailbox.band_since, Mailbox.health_window_start,
    sa.func.now().label("now"), LOCAL_TODAY.label("today"),
)  # fmt: skip

ENGINE_ACTOR = "warmup"
"""Who changes a band by its sample, for the history."""
_BANDS_WITHOUT_ALERT = frozenset({HealthBand.HEALTHY, HealthBand.WATCH})


def to_health_status(mailbox: Any) -> HealthStatus:
    """Return the standing of a row or record of a mailbox."""
    return HealthStatus(
        band=HealthBand(mailbox.band),
        reason=mailbox.band_reason,
        since=mailbox.band_since,
        window_start=mailbox.health_window_start,
    )


def build_sample_columns() -> tuple[sa.ColumnElement[Any], ...]:
    """Return the sums of the window, in the order of Sample's fields, over ``mailbox_day`` joined to ``mailbox``."""
    sums = (PLACED_COUNT, _D.spam, _D.missing, _D.bounced)
    return tuple(sa.func.coalesce(sa.func.sum(what).filter(IS_IN_WINDOW), 0) for what in sums)


_SAMPLE_SIZE = len(build_sample_columns())
# Twice the window's start, so that the index alone finds the few days.
_IS_RECENT_DAY = _D.local_date > sa.cast(sa.func.now(), sa.Date) - HEALTH_WINDOW.days - 1
_SELECT_HEALTH = (
    sa.select(*_STATUS_COLUMNS, *build_sample_columns())
    .outerjoin(_D, sa.and_(_D.mailbox_id == Mailbox.id, _IS_RECENT_DAY))
    .where(Mailbox.id == sa.bindparam("id"))
    .group_by(Mailbox.id)
)


def to_health_sample(values: Collection[int]) -> HealthSample:
    """Turn the values of ``sample_columns`` into a sample."""
    placed, spam, missing, bounced = (int(value) for value in values)
    return HealthSample(placed=placed, spam=spam, missing=missing, bounced=bounced)


def update_health_band(connection: sa.Connection, mailbox_id: int, *, actor: str = ENGINE_ACTOR) -> HealthStatus:
    """Look at a mailbox's sample, change its band if that says so, and return its standing.

    The row of the mailbox is locked by the caller, so that two looks at a time agree. A change is kept as an event and
    forgets the hint of the plan, for the volume changes with it.
    """
    row = connection.execute(_SELECT_HEALTH, {"id": mailbox_id}).one()
    standing, sample = to_health_status(row), to_health_sample(row[-_SAMPLE_SIZE:])
    following = compute_next_status(standing, sample, now=row.now, today=row.today)
    if following != standing:
        _store_band_change(connection, mailbox_id, standing, following, sample, actor=actor)
    return following


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
            # Nobody is told of what he does himself.
            is_alertable=actor == ENGINE_ACTOR and not {before.band, after.band} <= _BANDS_WITHOUT_ALERT,
        )
    )


def requalify_mailboxes(connection: sa.Connection, addresses: Collection[str], *, actor: str) -> int:
    """Let paused and blocked mailboxes send a fresh sample from today on; return how many that were.

    Only a person does this; it is the one way out of ``blocked``, and ends the rest of ``paused``. What was sent on
    earlier days does not count any more.
    """
    stopped = Mailbox.band.in_((HealthBand.PAUSED, HealthBand.BLOCKED))
    named = Mailbox.address.in_([address.strip().lower() for address in addresses])
    locked = sa.select(*_STATUS_COLUMNS).with_for_update(key_share=True)
    rows = connection.execute(locked.where(named, stopped).order_by(Mailbox.id)).all()
    done = 0
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
        sample = to_health_sample(connection.execute(_SELECT_HEALTH, {"id": row.id}).one()[-_SAMPLE_SIZE:])
        _store_band_change(connection, row.id, before, after, sample, actor=actor)
        done += 1
    return done


def _find_sample_start(connection: sa.Connection, mailbox_id: int, today: date) -> date:
    """Return today, or tomorrow where mails of today would count that were sent before."""
    sent_today = sa.select(_D.claimed).where(_D.mailbox_id == mailbox_id, _D.local_date == today, _D.claimed > 0)
    if connection.scalar(sent_today) is None:
        return today
    return date.fromordinal(today.toordinal() + 1)


def list_band_changes(connection: sa.Connection, mailbox_id: int, *, limit: int = 50) -> list[sa.Row[Any]]:
    """Return the changes of a mailbox's band, the newest first: at, actor, from_band, to_band, reason, the sample."""
    E = HealthEvent
    query = sa.select(E.at, E.actor, E.from_band, E.to_band, E.reason, E.placed, E.spam, E.bounced)
    return list(connection.execute(query.where(E.mailbox_id == mailbox_id).order_by(E.id.desc()).limit(limit)))

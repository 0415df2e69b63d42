"""Checkups: the health of a mailbox as the tables know it, looked at whenever a mail's fate is counted or claimed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.db.models import HealthEvent, Mailbox, MailboxDay
from gmail_warmup.warmup.health.bands import WINDOW, Sample, Standing, next_standing

_D = MailboxDay

TODAY = sa.cast(sa.func.timezone(Mailbox.timezone, sa.func.now()), sa.Date)
"""The local day of a mailbox, by the database's clock."""

PLACED = _D.inbox + _D.spam + _D.elsewhere
IN_WINDOW = sa.and_(
    _D.local_date > TODAY - WINDOW.days, sa.or_(Mailbox.health_from.is_(None), _D.local_date >= Mailbox.health_from)
)
"""The days of a mailbox that its health is judged by."""

_STANDING = (
    Mailbox.id, Mailbox.band, Mailbox.band_reason, Mailbox.band_since, Mailbox.health_from,
    sa.func.now().label("now"), TODAY.label("today"),
)  # fmt: skip

ENGINE = "warmup"
"""Who changes a band by its sample, for the history."""
_QUIET = frozenset({HealthBand.HEALTHY, HealthBand.WATCH})


def standing_of(mailbox: Any) -> Standing:
    """Return the standing of a row or record of a mailbox."""
    return Standing(
        band=HealthBand(mailbox.band),
        reason=mailbox.band_reason,
        since=mailbox.band_since,
        sample_from=mailbox.health_from,
    )


def sample_columns() -> tuple[sa.ColumnElement[Any], ...]:
    """Return the sums of the window, in the order of Sample's fields, over ``mailbox_day`` joined to ``mailbox``."""
    sums = (PLACED, _D.spam, _D.missing, _D.bounced)
    return tuple(sa.func.coalesce(sa.func.sum(what).filter(IN_WINDOW), 0) for what in sums)


_SAMPLE = len(sample_columns())
# Twice the window's start, so that the index alone finds the few days.
_RECENT = _D.local_date > sa.cast(sa.func.now(), sa.Date) - WINDOW.days - 1
_LOOK = (
    sa.select(*_STANDING, *sample_columns())
    .outerjoin(_D, sa.and_(_D.mailbox_id == Mailbox.id, _RECENT))
    .where(Mailbox.id == sa.bindparam("id"))
    .group_by(Mailbox.id)
)


def sample_of(values: Collection[int]) -> Sample:
    """Turn the values of ``sample_columns`` into a sample."""
    placed, spam, missing, bounced = (int(value) for value in values)
    return Sample(placed=placed, spam=spam, missing=missing, bounced=bounced)


def check_up(connection: sa.Connection, mailbox_id: int, *, actor: str = ENGINE) -> Standing:
    """Look at a mailbox's sample, change its band if that says so, and return its standing.

    The row of the mailbox is locked by the caller, so that two looks at a time agree. A change is kept as an event and
    forgets the hint of the plan, for the volume changes with it.
    """
    row = connection.execute(_LOOK, {"id": mailbox_id}).one()
    standing, sample = standing_of(row), sample_of(row[-_SAMPLE:])
    following = next_standing(standing, sample, now=row.now, today=row.today)
    if following != standing:
        _change(connection, mailbox_id, standing, following, sample, actor=actor)
    return following


def _change(
    connection: sa.Connection, mailbox_id: int, before: Standing, after: Standing, sample: Sample, *, actor: str
) -> None:
    values = {
        "band": after.band, "band_reason": after.reason if after.band is not HealthBand.HEALTHY else None,
        "band_since": after.since, "health_from": after.sample_from, "next_send_at": None,
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
            told=actor == ENGINE and not {before.band, after.band} <= _QUIET,
        )
    )


def requalify(connection: sa.Connection, addresses: Collection[str], *, actor: str) -> int:
    """Let paused and blocked mailboxes send a fresh sample from today on; return how many that were.

    Only a person does this; it is the one way out of ``blocked``, and ends the rest of ``paused``. What was sent on
    earlier days does not count any more.
    """
    stopped = Mailbox.band.in_((HealthBand.PAUSED, HealthBand.BLOCKED))
    named = Mailbox.address.in_([address.strip().lower() for address in addresses])
    locked = sa.select(*_STANDING).with_for_update(key_share=True)
    rows = connection.execute(locked.where(named, stopped).order_by(Mailbox.id)).all()
    done = 0
    for row in rows:
        before = standing_of(row)
        if before.requalifies(row.today):
            continue
        after = Standing(
            band=HealthBand.PAUSED, reason="released", since=row.now, sample_from=_fresh(connection, row.id, row.today)
        )
        sample = sample_of(connection.execute(_LOOK, {"id": row.id}).one()[-_SAMPLE:])
        _change(connection, row.id, before, after, sample, actor=actor)
        done += 1
    return done


def _fresh(connection: sa.Connection, mailbox_id: int, today: date) -> date:
    """Return today, or tomorrow where mails of today would count that were sent before."""
    sent_today = sa.select(_D.claimed).where(_D.mailbox_id == mailbox_id, _D.local_date == today, _D.claimed > 0)
    if connection.scalar(sent_today) is None:
        return today
    return date.fromordinal(today.toordinal() + 1)


def history(connection: sa.Connection, mailbox_id: int, *, limit: int = 50) -> list[sa.Row[Any]]:
    """Return the changes of a mailbox's band, the newest first: at, actor, from_band, to_band, reason, the sample."""
    E = HealthEvent
    query = sa.select(E.at, E.actor, E.from_band, E.to_band, E.reason, E.placed, E.spam, E.bounced)
    return list(connection.execute(query.where(E.mailbox_id == mailbox_id).order_by(E.id.desc()).limit(limit)))

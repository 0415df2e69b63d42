"""Today over all warmup mailboxes, each in its own zone."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, MailboxDay, MailboxKind, OAuthGrant
from gmail_warmup.settings import Settings
from gmail_warmup.warmup.due import WORKS
from gmail_warmup.warmup.ramp import volume


@dataclass(frozen=True, kw_only=True)
class Today:
    """Mails of today: what the ramp allows, what was sent, and what of it is in spam."""

    planned: int = 0
    sent: int = 0
    spam: int = 0


def today(connection: sa.Connection, settings: Settings) -> Today:
    """Add up what was done today, and what those will do that have not begun and may send on this weekday.

    Mailboxes with the same target and the same day of the ramp are counted together, so that the ramp is asked a few
    hundred times at most.
    """
    local = sa.func.timezone(Mailbox.timezone, sa.func.now())
    utc = sa.cast(sa.func.timezone("UTC", sa.func.now()), sa.Date)
    weekdays = [day + 1 for day in settings.weekdays]
    waits = sa.and_(MailboxDay.mailbox_id.is_(None), WORKS, sa.extract("isodow", local).in_(weekdays))
    query = (
        sa.select(
            Mailbox.daily_target,
            Mailbox.warmup_days,
            sa.func.count().filter(waits).label("waiting"),
            *(sa.func.coalesce(sa.func.sum(getattr(MailboxDay, name)), 0).label(name)
              for name in ("planned", "sent", "spam")),
        )
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .outerjoin(
            MailboxDay,
            sa.and_(
                MailboxDay.mailbox_id == Mailbox.id,
                MailboxDay.local_date == sa.cast(local, sa.Date),
                MailboxDay.local_date.between(utc - 1, utc + 1),  # for the index; no zone is further away
            ),
        )
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.daily_target, Mailbox.warmup_days)
    )  # fmt: skip
    rows = connection.execute(query).all()
    return Today(
        planned=sum(row.planned + row.waiting * _volume(row.warmup_days, row.daily_target, settings) for row in rows),
        sent=sum(row.sent for row in rows),
        spam=sum(row.spam for row in rows),
    )


def _volume(days: int, daily_target: int, settings: Settings) -> int:
    return volume(
        warmup_day=days + 1,
        daily_target=daily_target,
        start=settings.ramp_start,
        step=settings.ramp_step,
        cap=settings.ramp_cap,
    )

"""The pool as one sender sees it: who may receive its next mail, found without reading the whole pool.

Pool mailboxes are looked at in the order in which they were last chosen, a few at a time and the best kind first:
rested and of another domain, then rested, then any. So a claim costs the same whether the pool has ten or ten thousand
mailboxes, and the load spreads by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord, same_mailbox
from gmail_warmup.settings import Settings
from gmail_warmup.warmup.due import WORKS
from gmail_warmup.warmup.partners import REST, Candidate, choose

_DAY = timedelta(days=1)
_FIRST_LOOK, _GROWTH = 40, 4
"""Pool mailboxes that are looked at first, and how many times more in each further look."""


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """What the sender wrote to one pool mailbox lately."""

    last: datetime
    today: int


def find_partner(
    connection: sa.Connection, sender: MailboxRecord, *, now: datetime, settings: Settings, seed: str
) -> MailboxRecord | None:
    """Return the partner for a sender's next mail, with its row locked, or None if nobody may receive more.

    One partner's row is locked at a time, so that two claims cannot wait for each other.
    """
    pairs = _pairs(connection, sender, now)
    for candidates in _shortlists(connection, sender, pairs, now):
        while (chosen := _choose(candidates, sender, now, settings, seed)) is not None:
            savepoint = connection.begin_nested()
            if partner := _take(connection, chosen.id, now, settings):
                savepoint.commit()
                return partner
            savepoint.rollback()  # gives the row free again
            candidates = [other for other in candidates if other.id != chosen.id]
    return None


def _choose(
    candidates: list[Candidate], sender: MailboxRecord, now: datetime, settings: Settings, seed: str
) -> Candidate | None:
    return choose(
        candidates,
        sender_domain=sender.domain,
        now=now,
        pool_daily_cap=settings.pool_daily_cap,
        pair_daily_cap=settings.pair_daily_cap,
        seed=seed,
    )


def _pairs(connection: sa.Connection, sender: MailboxRecord, now: datetime) -> dict[int, _Pair]:
    """Return what the sender wrote within the rest of a pair, by recipient; its own few rows of these days."""
    query = (
        sa.select(
            L.recipient_id,
            sa.func.max(L.claimed_at).label("last"),
            sa.func.count().filter(L.claimed_at > now - _DAY).label("today"),
        )
        # The dates find the rows by the index; a local date is at most a day away from UTC's.
        .where(L.sender_id == sender.id, L.local_date >= now.date() - REST - _DAY, L.parent_id.is_(None))
        .where(L.claimed_at > now - max(REST, _DAY))
        .group_by(L.recipient_id)
    )
    return {row.recipient_id: _Pair(last=row.last, today=row.today) for row in connection.execute(query)}


def _shortlists(
    connection: sa.Connection, sender: MailboxRecord, pairs: dict[int, _Pair], now: datetime
) -> Iterator[list[Candidate]]:
    met = sa.any_(sa.literal(list(pairs), ARRAY(sa.BigInteger)))
    rested, elsewhere = sa.not_(Mailbox.id == met), Mailbox.domain != sender.domain
    # A pair that is not rested is one of the sender's own few.
    for kind in ((rested, elsewhere), (rested, Mailbox.domain == sender.domain), (Mailbox.id == met,)):
        yield from _looks(connection, sender, pairs, now, kind)


def _looks(
    connection: sa.Connection,
    sender: MailboxRecord,
    pairs: dict[int, _Pair],
    now: datetime,
    kind: tuple[sa.ColumnElement[bool], ...],
) -> Iterator[list[Candidate]]:
    query = (
        sa.select(Mailbox.id, Mailbox.address, Mailbox.domain, Mailbox.chosen_at)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(Mailbox.kind == MailboxKind.POOL, WORKS, *kind)
        .order_by(Mailbox.chosen_at, Mailbox.id)
    )
    size, last = _FIRST_LOOK, None
    while True:
        further = query.where(sa.tuple_(Mailbox.chosen_at, Mailbox.id) > last) if last is not None else query
        rows = connection.execute(further.limit(size)).all()
        if rows:
            yield _candidates(connection, sender, rows, pairs, now)
        if len(rows) < size:
            return
        last = sa.tuple_(sa.literal(rows[-1].chosen_at), sa.literal(rows[-1].id))
        size *= _GROWTH


def _candidates(
    connection: sa.Connection, sender: MailboxRecord, rows: Any, pairs: dict[int, _Pair], now: datetime
) -> list[Candidate]:
    received = _received(connection, [row.id for row in rows], now)
    return [
        Candidate(
            id=row.id,
            domain=row.domain,
            received_today=received.get(row.id, 0),
            pair_today=pairs[row.id].today if row.id in pairs else 0,
            last_pair_at=pairs[row.id].last if row.id in pairs else None,
        )
        for row in rows
        if not same_mailbox(row.address, sender.address)
    ]


def _received(connection: sa.Connection, mailbox_ids: list[int], now: datetime) -> dict[int, int]:
    """Return how many first mails pool mailboxes received in the last 24 hours."""
    query = (
        sa.select(L.recipient_id, sa.func.count())
        .where(L.recipient_id == sa.any_(sa.literal(mailbox_ids, ARRAY(sa.BigInteger))))
        .where(L.claimed_at > now - _DAY, L.parent_id.is_(None))
        .group_by(L.recipient_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _take(connection: sa.Connection, mailbox_id: int, now: datetime, settings: Settings) -> MailboxRecord | None:
    """Lock a partner's row and count again, since somebody else may have been quicker; None if it is full."""
    connection.execute(sa.update(Mailbox).where(Mailbox.id == mailbox_id).values(chosen_at=sa.func.now()))
    if _received(connection, [mailbox_id], now).get(mailbox_id, 0) >= settings.pool_daily_cap:
        return None
    return repository.by_id(connection, mailbox_id)

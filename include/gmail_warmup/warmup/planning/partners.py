"""The pool as one sender sees it: who may receive its next mail, found without reading the whole pool.

Pool mailboxes are looked at in the order in which they were last chosen, a few at a time and the best kind first:
rested and of another domain, then rested, then any. So a claim costs the same whether the pool has ten or ten thousand
mailboxes, and the load spreads by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord, same_mailbox
from gmail_warmup.warmup.planning.due import WORKS

REST = timedelta(hours=72)
"""How long a pair rests while there is a choice."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A pool mailbox and what it had so far.

    `received_today` counts its warmup mails of the day from all senders, `pair_today` those of the asking sender;
    `last_pair_at` (aware) is when that sender last wrote to it. `domain` is in lower case.
    """

    id: int
    domain: str
    received_today: int
    pair_today: int
    last_pair_at: datetime | None


def choose(
    candidates: Sequence[Candidate],
    *,
    sender_domain: str,
    now: datetime,
    pool_daily_cap: int,
    pair_daily_cap: int,
    rest: timedelta = REST,
    seed: str,
) -> Candidate | None:
    """Return the partner for a mail, or None when the pool is exhausted for this sender today.

    The caps are hard. Then, in this order: a pair that rested, another domain than the sender's, the fewest mails
    received today, and the seed; the order of `candidates` has no say.
    """

    def rank(candidate: Candidate) -> tuple[bool, bool, int, str]:
        paired = candidate.last_pair_at
        tired = paired is not None and now.astimezone(UTC) - paired.astimezone(UTC) < rest
        # A hash per candidate: one more or less in the pool does not reshuffle the others.
        tie = hashlib.sha256(f"{seed}:{candidate.id}".encode()).hexdigest()
        return tired, candidate.domain == sender_domain, candidate.received_today, tie

    return min(
        (
            candidate
            for candidate in candidates
            if candidate.received_today < pool_daily_cap and candidate.pair_today < pair_daily_cap
        ),
        key=rank,
        default=None,
    )


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
    chosen = {
        "sender_id": sender.id, "day_ago": now - _DAY, "since": now - max(REST, _DAY),
        "since_date": now.date() - REST - _DAY,
    }  # fmt: skip
    return {row.recipient_id: _Pair(last=row.last, today=row.today) for row in connection.execute(_PAIRS, chosen)}


_DAY_AGO = sa.bindparam("day_ago", type_=sa.DateTime(timezone=True))
_PAIRS = (
    sa.select(
        L.recipient_id,
        sa.func.max(L.claimed_at).label("last"),
        sa.func.count().filter(L.claimed_at > _DAY_AGO).label("today"),
    )
    # The dates find the rows by the index; a local date is at most a day away from UTC's.
    .where(L.sender_id == sa.bindparam("sender_id"), L.local_date >= sa.bindparam("since_date"), L.parent_id.is_(None))
    .where(L.claimed_at > sa.bindparam("since"))
    .group_by(L.recipient_id)
)
_RECEIVED = (
    sa.select(sa.func.count())
    .where(L.recipient_id == Mailbox.id, L.claimed_at > _DAY_AGO, L.parent_id.is_(None))
    .correlate(Mailbox)
    .scalar_subquery()
    .label("received")
)
"""First mails that a pool mailbox received in the last 24 hours."""

_MET = Mailbox.id == sa.any_(sa.bindparam("met", type_=ARRAY(sa.BigInteger)))
_SAME = Mailbox.domain == sa.bindparam("domain")
# A pair that is not rested is one of the sender's own few.
_KINDS = ((sa.not_(_MET), sa.not_(_SAME)), (sa.not_(_MET), _SAME), (_MET,))
_LIST = (
    sa.select(Mailbox.id, Mailbox.address, Mailbox.domain, Mailbox.chosen_at, _RECEIVED)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(Mailbox.kind == MailboxKind.POOL, WORKS)
    .order_by(Mailbox.chosen_at, Mailbox.id)
    .limit(sa.bindparam("size", type_=sa.Integer))
)
_LOOKS = [_LIST.where(*kind) for kind in _KINDS]
_FURTHER = sa.tuple_(Mailbox.chosen_at, Mailbox.id) > sa.tuple_(
    sa.bindparam("last_chosen_at", type_=sa.DateTime(timezone=True)), sa.bindparam("last_id", type_=sa.BigInteger)
)
_FURTHER_LOOKS = [look.where(_FURTHER) for look in _LOOKS]
_CHOSEN = sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(chosen_at=sa.func.now())
_PARTNER = repository.SELECT.add_columns(_RECEIVED).where(Mailbox.id == sa.bindparam("mailbox"))


def _shortlists(
    connection: sa.Connection, sender: MailboxRecord, pairs: dict[int, _Pair], now: datetime
) -> Iterator[list[Candidate]]:
    chosen: dict[str, Any] = {"met": list(pairs), "day_ago": now - _DAY}
    rested = chosen | {"domain": sender.domain}
    for first, further, given in zip(_LOOKS, _FURTHER_LOOKS, (rested, rested, chosen), strict=True):
        for rows in _looks(connection, first, further, given):
            yield _candidates(sender, rows, pairs)


def _looks(
    connection: sa.Connection, first: sa.Select[Any], further: sa.Select[Any], chosen: dict[str, Any]
) -> Iterator[Sequence[sa.Row[Any]]]:
    size, query = _FIRST_LOOK, first
    while True:
        rows = connection.execute(query, chosen | {"size": size}).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        query, chosen = further, chosen | {"last_chosen_at": rows[-1].chosen_at, "last_id": rows[-1].id}
        size *= _GROWTH


def _candidates(sender: MailboxRecord, rows: Sequence[sa.Row[Any]], pairs: dict[int, _Pair]) -> list[Candidate]:
    return [
        Candidate(
            id=row.id,
            domain=row.domain,
            received_today=row.received,
            pair_today=pairs[row.id].today if row.id in pairs else 0,
            last_pair_at=pairs[row.id].last if row.id in pairs else None,
        )
        for row in rows
        if not same_mailbox(row.address, sender.address)
    ]


def _take(connection: sa.Connection, mailbox_id: int, now: datetime, settings: Settings) -> MailboxRecord | None:
    """Lock a partner's row and count again, since somebody else may have been quicker; None if it is full."""
    connection.execute(_CHOSEN, {"mailbox": mailbox_id})
    row = connection.execute(_PARTNER, {"mailbox": mailbox_id, "day_ago": now - _DAY}).one()
    return None if row.received >= settings.pool_daily_cap else repository.record(row)

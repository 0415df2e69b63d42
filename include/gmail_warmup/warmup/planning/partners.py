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
from gmail_warmup.mailboxes.records import MailboxRecord, is_same_mailbox
from gmail_warmup.warmup.planning.due import IS_USABLE

PAIR_REST = timedelta(hours=72)
"""How long a pair rests while there is a choice."""


@dataclass(frozen=True, kw_only=True)
class PartnerCandidate:
    """A pool mailbox and what it had so far.

    `received_today` counts its warmup mails of the day from all senders, `pair_today` those of the asking sender;
    `last_pair_at` (aware) is when that sender last wrote to it. `domain` is in lower case.
    """

    id: int
    domain: str
    received_today: int
    pair_today: int
    last_pair_at: datetime | None


def choose_partner(
    candidates: Sequence[PartnerCandidate],
    *,
    sender_domain: str,
    now: datetime,
    pool_daily_cap: int,
    partner_daily_cap: int,
    rest: timedelta = PAIR_REST,
    seed: str,
) -> PartnerCandidate | None:
    """Return the partner for a mail, or None when the pool is exhausted for this sender today.

    The caps are hard. Then, in this order: a pair that rested, another domain than the sender's, the fewest mails
    received today, and the seed; the order of `candidates` has no say.
    """

    def rank_candidate(candidate: PartnerCandidate) -> tuple[bool, bool, int, str]:
        paired = candidate.last_pair_at
        tired = paired is not None and now.astimezone(UTC) - paired.astimezone(UTC) < rest
        # A hash per candidate: one more or less in the pool does not reshuffle the others.
        tie = hashlib.sha256(f"{seed}:{candidate.id}".encode()).hexdigest()
        return tired, candidate.domain == sender_domain, candidate.received_today, tie

    return min(
        (
            candidate
            for candidate in candidates
            if candidate.received_today < pool_daily_cap and candidate.pair_today < partner_daily_cap
        ),
        key=rank_candidate,
        default=None,
    )


_DAY = timedelta(days=1)
_FIRST_PAGE_SIZE, _PAGE_GROWTH = 40, 4
"""Pool mailboxes that are looked at first, and how many times more in each further look."""


@dataclass(frozen=True, kw_only=True)
class _RecentPair:
    """What the sender wrote to one pool mailbox lately."""

    last: datetime
    today: int


def find_partner(
    connection: sa.Connection, sender: MailboxRecord, *, now: datetime, settings: Settings, seed: str
) -> MailboxRecord | None:
    """Return the partner for a sender's next mail, with its row locked, or None if nobody may receive more.

    One partner's row is locked at a time, so that two claims cannot wait for each other.
    """
    pairs = _load_recent_pairs(connection, sender, now)
    for candidates in _load_shortlists(connection, sender, pairs, now):
        while (chosen := _choose_candidate(candidates, sender, now, settings, seed)) is not None:
            savepoint = connection.begin_nested()
            if partner := _lock_partner(connection, chosen.id, now, settings):
                savepoint.commit()
                return partner
            savepoint.rollback()  # gives the row free again
            candidates = [other for other in candidates if other.id != chosen.id]
    return None


def _choose_candidate(
    candidates: list[PartnerCandidate], sender: MailboxRecord, now: datetime, settings: Settings, seed: str
) -> PartnerCandidate | None:
    return choose_partner(
        candidates,
        sender_domain=sender.domain,
        now=now,
        pool_daily_cap=settings.pool_daily_cap,
        partner_daily_cap=settings.partner_daily_cap,
        seed=seed,
    )


def _load_recent_pairs(connection: sa.Connection, sender: MailboxRecord, now: datetime) -> dict[int, _RecentPair]:
    """Return what the sender wrote within the rest of a pair, by recipient; its own few rows of these days."""
    chosen = {
        "sender_id": sender.id, "day_ago": now - _DAY, "since": now - max(PAIR_REST, _DAY),
        "since_date": now.date() - PAIR_REST - _DAY,
    }  # fmt: skip
    return {
        row.recipient_id: _RecentPair(last=row.last, today=row.today)
        for row in connection.execute(_SELECT_RECENT_PAIRS, chosen)
    }


_DAY_AGO = sa.bindparam("day_ago", type_=sa.DateTime(timezone=True))
_SELECT_RECENT_PAIRS = (
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
_RECEIVED_TODAY = (
    sa.select(sa.func.count())
    .where(L.recipient_id == Mailbox.id, L.claimed_at > _DAY_AGO, L.parent_id.is_(None))
    .correlate(Mailbox)
    .scalar_subquery()
    .label("received")
)
"""First mails that a pool mailbox received in the last 24 hours."""

_IS_RECENT_PARTNER = Mailbox.id == sa.any_(sa.bindparam("met", type_=ARRAY(sa.BigInteger)))
_IS_SAME_DOMAIN = Mailbox.domain == sa.bindparam("domain")
# A pair that is not rested is one of the sender's own few.
_PREFERENCES = (
    (sa.not_(_IS_RECENT_PARTNER), sa.not_(_IS_SAME_DOMAIN)),
    (sa.not_(_IS_RECENT_PARTNER), _IS_SAME_DOMAIN),
    (_IS_RECENT_PARTNER,),
)
_SELECT_CANDIDATES = (
    sa.select(Mailbox.id, Mailbox.address, Mailbox.domain, Mailbox.last_received_claim_at, _RECEIVED_TODAY)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(Mailbox.kind == MailboxKind.POOL, IS_USABLE)
    .order_by(Mailbox.last_received_claim_at, Mailbox.id)
    .limit(sa.bindparam("size", type_=sa.Integer))
)
_FIRST_PAGE_QUERIES = [_SELECT_CANDIDATES.where(*kind) for kind in _PREFERENCES]
_IS_AFTER_LAST = sa.tuple_(Mailbox.last_received_claim_at, Mailbox.id) > sa.tuple_(
    sa.bindparam("after_claim_at", type_=sa.DateTime(timezone=True)), sa.bindparam("last_id", type_=sa.BigInteger)
)
_NEXT_PAGE_QUERIES = [look.where(_IS_AFTER_LAST) for look in _FIRST_PAGE_QUERIES]
_MARK_CHOSEN = (
    sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(last_received_claim_at=sa.func.now())
)
_SELECT_PARTNER = repository.SELECT_MAILBOXES.add_columns(_RECEIVED_TODAY).where(Mailbox.id == sa.bindparam("mailbox"))


def _load_shortlists(
    connection: sa.Connection, sender: MailboxRecord, pairs: dict[int, _RecentPair], now: datetime
) -> Iterator[list[PartnerCandidate]]:
    chosen: dict[str, Any] = {"met": list(pairs), "day_ago": now - _DAY}
    rested = chosen | {"domain": sender.domain}
    for first, further, given in zip(_FIRST_PAGE_QUERIES, _NEXT_PAGE_QUERIES, (rested, rested, chosen), strict=True):
        for rows in _load_pages(connection, first, further, given):
            yield _build_candidates(sender, rows, pairs)


def _load_pages(
    connection: sa.Connection, first: sa.Select[Any], further: sa.Select[Any], chosen: dict[str, Any]
) -> Iterator[Sequence[sa.Row[Any]]]:
    size, query = _FIRST_PAGE_SIZE, first
    while True:
        rows = connection.execute(query, chosen | {"size": size}).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        query, chosen = further, chosen | {"after_claim_at": rows[-1].last_received_claim_at, "last_id": rows[-1].id}
        size *= _PAGE_GROWTH


def _build_candidates(
    sender: MailboxRecord, rows: Sequence[sa.Row[Any]], pairs: dict[int, _RecentPair]
) -> list[PartnerCandidate]:
    return [
        PartnerCandidate(
            id=row.id,
            domain=row.domain,
            received_today=row.received,
            pair_today=pairs[row.id].today if row.id in pairs else 0,
            last_pair_at=pairs[row.id].last if row.id in pairs else None,
        )
        for row in rows
        if not is_same_mailbox(row.address, sender.address)
    ]


def _lock_partner(
    connection: sa.Connection, mailbox_id: int, now: datetime, settings: Settings
) -> MailboxRecord | None:
    """Lock a partner's row and count again, since somebody else may have been quicker; None if it is full."""
    connection.execute(_MARK_CHOSEN, {"mailbox": mailbox_id})
    row = connection.execute(_SELECT_PARTNER, {"mailbox": mailbox_id, "day_ago": now - _DAY}).one()
    return None if row.received >= settings.pool_daily_cap else repository.to_record(row)

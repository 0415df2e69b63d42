"""Choose the pool mailbox that receives a sender's next mail, without reading the whole pool.

Pool mailboxes are read in pages, those chosen least recently first, and by preference: no recent mail from this sender
and another domain, then no recent mail, then any. So a claim costs the same for ten and for ten thousand pool
mailboxes, and the load is spread evenly.
"""

from __future__ import annotations

import hashlib
import logging
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
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.planning.eligibility import IS_USABLE

log = logging.getLogger(__name__)

PAIR_REST = timedelta(hours=72)
"""Time for which a sender prefers other partners after it sent to one."""


@dataclass(frozen=True, kw_only=True)
class PartnerCandidate:
    """A pool mailbox and the mails it received.

    Attributes:
        domain: in lower case.
        received_today: warmup mails of the last 24 hours from all senders.
        pair_today: those of this sender.
        last_pair_at: when this sender last sent to it (aware).
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
    """Return the partner for a mail, or None if no candidate is below its caps.

    The order of preference is: no mail from this sender within `rest`, another domain than the sender's, the fewest
    mails received today, and the seed. The order of `candidates` does not matter.
    """

    def rank_candidate(candidate: PartnerCandidate) -> tuple[bool, bool, int, str]:
        last = candidate.last_pair_at
        is_recent = last is not None and now.astimezone(UTC) - last.astimezone(UTC) < rest
        # A hash per candidate: adding or removing a pool mailbox does not reorder the others.
        tiebreaker = hashlib.sha256(f"{seed}:{candidate.id}".encode()).hexdigest()
        return is_recent, candidate.domain == sender_domain, candidate.received_today, tiebreaker

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
"""Pool mailboxes on the first page, and the factor by which each further page is larger."""


@dataclass(frozen=True, kw_only=True)
class _RecentPair:
    """The recent mails of the sender to one pool mailbox."""

    last: datetime
    today: int


def find_partner(
    connection: sa.Connection, sender: MailboxRecord, *, now: datetime, settings: Settings, seed: str
) -> MailboxRecord | None:
    """Return the partner for a sender's next mail, with its row locked, or None if no partner may receive more.

    Only one partner row is locked at a time, so that two claims cannot deadlock.
    """
    pairs = _load_recent_pairs(connection, sender, now)
    for candidates in _load_shortlists(connection, sender, pairs, now):
        while (chosen := _choose_candidate(candidates, sender, now, settings, seed)) is not None:
            savepoint = connection.begin_nested()
            if partner := _lock_partner(connection, chosen.id, now, settings):
                savepoint.commit()
                return partner
            savepoint.rollback()  # releases the row lock
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


_DAY_AGO = sa.bindparam("day_ago", type_=sa.DateTime(timezone=True))
_SELECT_RECENT_PAIRS = (
    sa.select(
        L.recipient_id,
        sa.func.max(L.claimed_at).label("last"),
        sa.func.count().filter(L.claimed_at > _DAY_AGO).label("today"),
    )
    # The index is on the local date, which differs from the UTC date by one day at most.
    .where(L.sender_id == sa.bindparam("sender_id"), L.local_date >= sa.bindparam("since_date"), L.parent_id.is_(None))
    .where(L.claimed_at > sa.bindparam("since"))
    .group_by(L.recipient_id)
)


def _load_recent_pairs(connection: sa.Connection, sender: MailboxRecord, now: datetime) -> dict[int, _RecentPair]:
    """Return the mails that the sender sent within ``PAIR_REST``, by recipient."""
    parameters = {
        "sender_id": sender.id, "day_ago": now - _DAY, "since": now - max(PAIR_REST, _DAY),
        "since_date": now.date() - PAIR_REST - _DAY,
    }  # fmt: skip
    return {
        row.recipient_id: _RecentPair(last=row.last, today=row.today)
        for row in connection.execute(_SELECT_RECENT_PAIRS, parameters)
    }


_RECEIVED_TODAY = (
    sa.select(sa.func.count())
    .where(L.recipient_id == Mailbox.id, L.claimed_at > _DAY_AGO, L.parent_id.is_(None))
    .correlate(Mailbox)
    .scalar_subquery()
    .label("received")
)
"""The number of first mails that a pool mailbox received in the last 24 hours."""

_IS_RECENT_PARTNER = Mailbox.id == sa.any_(sa.bindparam("recent_ids", type_=ARRAY(sa.BigInteger)))
_IS_SAME_DOMAIN = Mailbox.domain == sa.bindparam("domain")
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
_FIRST_PAGE_QUERIES = [_SELECT_CANDIDATES.where(*conditions) for conditions in _PREFERENCES]
_IS_AFTER_LAST = sa.tuple_(Mailbox.last_received_claim_at, Mailbox.id) > sa.tuple_(
    sa.bindparam("after_claim_at", type_=sa.DateTime(timezone=True)), sa.bindparam("last_id", type_=sa.BigInteger)
)
_NEXT_PAGE_QUERIES = [query.where(_IS_AFTER_LAST) for query in _FIRST_PAGE_QUERIES]


def _load_shortlists(
    connection: sa.Connection, sender: MailboxRecord, pairs: dict[int, _RecentPair], now: datetime
) -> Iterator[list[PartnerCandidate]]:
    parameters = {"recent_ids": list(pairs), "day_ago": now - _DAY, "domain": sender.domain}
    for first_page, next_page in zip(_FIRST_PAGE_QUERIES, _NEXT_PAGE_QUERIES, strict=True):
        for rows in _load_pages(connection, first_page, next_page, parameters):
            yield _build_candidates(rows, pairs)


def _load_pages(
    connection: sa.Connection, first_page: sa.Select[Any], next_page: sa.Select[Any], parameters: dict[str, Any]
) -> Iterator[Sequence[sa.Row[Any]]]:
    size, query = _FIRST_PAGE_SIZE, first_page
    while True:
        rows = connection.execute(query, parameters | {"size": size}).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = rows[-1]
        query = next_page
        parameters = parameters | {"after_claim_at": last.last_received_claim_at, "last_id": last.id}
        size *= _PAGE_GROWTH


def _build_candidates(rows: Sequence[sa.Row[Any]], pairs: dict[int, _RecentPair]) -> list[PartnerCandidate]:
    return [
        PartnerCandidate(
            id=row.id,
            domain=row.domain,
            received_today=row.received,
            pair_today=pairs[row.id].today if row.id in pairs else 0,
            last_pair_at=pairs[row.id].last if row.id in pairs else None,
        )
        for row in rows
    ]


_MARK_CHOSEN = (
    sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(last_received_claim_at=sa.func.now())
)
_SELECT_PARTNER = repository.SELECT_MAILBOXES.add_columns(_RECEIVED_TODAY).where(Mailbox.id == sa.bindparam("mailbox"))


def _lock_partner(
    connection: sa.Connection, mailbox_id: int, now: datetime, settings: Settings
) -> MailboxRecord | None:
    """Lock a partner's row and check its cap again, since another claim may have reached it.

    Returns:
        None if it has, if the partner was removed meanwhile, or if a stored value of it breaks a rule.
    """
    connection.execute(_MARK_CHOSEN, {"mailbox": mailbox_id})
    row = connection.execute(_SELECT_PARTNER, {"mailbox": mailbox_id, "day_ago": now - _DAY}).one_or_none()
    if row is None:
        return None
    partner = repository.to_record(row)
    if partner.invalid:
        log.error("%s is not written to: a stored value breaks a rule: %s", partner.address, partner.invalid[0])
    return None if partner.invalid or row.received >= settings.pool_daily_cap else partner

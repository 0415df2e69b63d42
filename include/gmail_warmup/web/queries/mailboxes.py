"""The list's queries: one page of mailboxes in some order, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import GROUP_BANDS, GROUP_STATES, INVALID_STATES, Group, MailboxFilter
from gmail_warmup.web.queries.sorting import Cursor, Order, sort_segments

DEFAULT_PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class MailboxQuery:
    """What to list. ``after`` and ``before`` are edges of the page that was left; at most one of them counts."""

    filter: MailboxFilter = field(default_factory=MailboxFilter)
    order: Order = Order.ADDRESS
    after: Cursor | None = None
    before: Cursor | None = None
    limit: int = DEFAULT_PAGE_SIZE


@dataclass(frozen=True, kw_only=True)
class MailboxPage:
    """One page of mailboxes, and where the neighbouring ones begin."""

    rows: Sequence[MailboxRecord]
    next_after: Cursor | None
    previous_before: Cursor | None


@dataclass(frozen=True, kw_only=True)
class MailboxCounts:
    """How many mailboxes are how; ``expiring`` are also among the valid ones, ``paused`` and the bands among all."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    expiring: int
    paused: int
    throttled: int
    health_paused: int
    health_blocked: int


def count_by_group(connection: sa.Connection, *, expiring_days: int) -> MailboxCounts:
    """Count all mailboxes.

    Most are valid, and each has one grant: so the few others are counted by their indexes, and the valid are the rest.
    """
    state = OAuthGrant.state
    found = connection.execute(sa.select(state, sa.func.count()).where(state.in_(INVALID_STATES)).group_by(state))
    by_state: dict[str, int] = {row[0]: row[1] for row in found}
    total, expiring, paused = (
        filters.count_mailboxes(connection, MailboxFilter(group=group), expiring_days=expiring_days)
        for group in (None, Group.EXPIRING, Group.PAUSED)
    )
    in_states = {group.value: sum(by_state.get(state, 0) for state in states) for group, states in GROUP_STATES.items()}
    valid = total - sum(by_state.values())
    others = {"valid": valid, "total": total, "expiring": expiring, "paused": paused}
    return MailboxCounts(**in_states | others | _count_by_band(connection))


def _count_by_band(connection: sa.Connection) -> dict[str, int]:
    query = (
        sa.select(Mailbox.band, sa.func.count()).where(filters.in_band(*GROUP_BANDS.values())).group_by(Mailbox.band)
    )
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return {group.value: found.get(band, 0) for group, band in GROUP_BANDS.items()}


def load_page(connection: sa.Connection, wanted: MailboxQuery, *, expiring_days: int) -> MailboxPage:
    """Return one page. It seeks where the neighbouring one ended and counts no rows off.

    So the last page is as quick as the first, and what was added or taken away before it shifts nothing.
    """
    backwards = wanted.before is not None and wanted.after is None
    edge = wanted.before if backwards else wanted.after
    found = _load_from_cursor(connection, wanted, edge, backwards=backwards, expiring_days=expiring_days)
    more, rows = len(found) > wanted.limit, found[: wanted.limit]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, edge is not None)
    return MailboxPage(
        rows=[record for record, _ in rows],
        next_after=rows[-1][1] if rows and has_next else None,
        previous_before=rows[0][1] if rows and has_previous else None,
    )


def _load_from_cursor(
    connection: sa.Connection, wanted: MailboxQuery, edge: Cursor | None, *, backwards: bool, expiring_days: int
) -> list[tuple[MailboxRecord, Cursor]]:
    """Return the mailboxes from an edge on with the place of each, one more than a page has if there is one."""
    query = repository.SELECT_MAILBOXES.where(*filters.build_conditions(wanted.filter, expiring_days=expiring_days))
    parts = list(enumerate(sort_segments(wanted.order, expiring_days=expiring_days)))
    if edge:
        parts = parts[: edge.segment + 1] if backwards else parts[edge.segment :]
    found: list[tuple[MailboxRecord, Cursor]] = []
    for number, stretch in reversed(parts) if backwards else parts:
        inside = edge if edge and edge.segment == number else None
        rows = connection.execute(
            stretch.sort_query(query, inside, backwards=backwards).limit(wanted.limit + 1 - len(found))
        )
        found += [(repository.to_record(row), stretch.cursor_at(row, wanted.order, number)) for row in rows]
        if len(found) > wanted.limit:
            break
    return found


@dataclass(frozen=True, kw_only=True)
class DomainCount:
    """A domain, and how many mailboxes are in it."""

    domain: str
    mailboxes: int


def count_by_domain(connection: sa.Connection, *, limit: int) -> list[DomainCount]:
    """Return the commonest domains, the commonest first."""
    number = sa.func.count()
    query = sa.select(Mailbox.domain, number).group_by(Mailbox.domain).order_by(number.desc(), Mailbox.domain)
    return [DomainCount(domain=row[0], mailboxes=row[1]) for row in connection.execute(query.limit(limit))]


def database_time(connection: sa.Connection) -> datetime:
    """Return the database's time."""
    return connection.execute(sa.select(sa.func.now())).scalar_one()

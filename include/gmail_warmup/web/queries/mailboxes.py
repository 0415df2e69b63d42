"""Queries of the list: one page of mailboxes in an order, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
    """Filter, order and position of a page. ``after`` takes precedence over ``before``."""

    filter: MailboxFilter = field(default_factory=MailboxFilter)
    order: Order = Order.ADDRESS
    after: Cursor | None = None
    before: Cursor | None = None
    limit: int = DEFAULT_PAGE_SIZE


@dataclass(frozen=True, kw_only=True)
class MailboxPage:
    """One page of mailboxes, and the cursors of the adjacent pages."""

    rows: Sequence[MailboxRecord]
    next_after: Cursor | None
    previous_before: Cursor | None


@dataclass(frozen=True, kw_only=True)
class MailboxCounts:
    """Number of mailboxes by group. ``expiring`` is part of ``valid``, ``not_working`` of ``valid`` and
    ``suspect``; ``paused`` and the bands overlap all states."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    not_working: int
    expiring: int
    paused: int
    throttled: int
    health_paused: int
    health_blocked: int


def count_by_group(connection: sa.Connection, *, expiring_days: int) -> MailboxCounts:
    """Count all mailboxes by group.

    Most mailboxes are valid and each has one grant, so the few others are counted by index and subtracted.
    """
    state = OAuthGrant.state
    query = sa.select(state, sa.func.count().label("mailboxes")).where(state.in_(INVALID_STATES)).group_by(state)
    by_state: dict[str, int] = {row.state: row.mailboxes for row in connection.execute(query)}
    total, not_working, expiring, paused = (
        filters.count_mailboxes(connection, MailboxFilter(group=group), expiring_days=expiring_days)
        for group in (None, Group.NOT_WORKING, Group.EXPIRING, Group.PAUSED)
    )
    in_states = {group.value: sum(by_state.get(state, 0) for state in states) for group, states in GROUP_STATES.items()}
    valid = total - sum(by_state.values())
    others = {
        "valid": valid, "total": total, "not_working": not_working, "expiring": expiring, "paused": paused,
    }  # fmt: skip
    return MailboxCounts(**in_states | others | _count_by_band(connection))


def _count_by_band(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(Mailbox.band, sa.func.count().label("mailboxes"))
    query = query.where(filters.in_band(*GROUP_BANDS.values())).group_by(Mailbox.band)
    by_band: dict[str, int] = {row.band: row.mailboxes for row in connection.execute(query)}
    return {group.value: by_band.get(band, 0) for group, band in GROUP_BANDS.items()}


def load_page(connection: sa.Connection, page_query: MailboxQuery, *, expiring_days: int) -> MailboxPage:
    """Return one page by keyset pagination.

    The last page is as fast as the first, and mailboxes added or removed before it do not shift it.
    """
    backwards = page_query.before is not None and page_query.after is None
    edge = page_query.before if backwards else page_query.after
    found = _load_from_cursor(connection, page_query, edge, backwards=backwards, expiring_days=expiring_days)
    more, rows = len(found) > page_query.limit, found[: page_query.limit]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, edge is not None)
    return MailboxPage(
        rows=[record for record, _ in rows],
        next_after=rows[-1][1] if rows and has_next else None,
        previous_before=rows[0][1] if rows and has_previous else None,
    )


def _load_from_cursor(
    connection: sa.Connection, page_query: MailboxQuery, edge: Cursor | None, *, backwards: bool, expiring_days: int
) -> list[tuple[MailboxRecord, Cursor]]:
    """Return the mailboxes beyond a cursor, each with its own cursor: up to one more than a page contains."""
    query = repository.SELECT_MAILBOXES.where(*filters.build_conditions(page_query.filter, expiring_days=expiring_days))
    segments = list(enumerate(sort_segments(page_query.order, expiring_days=expiring_days)))
    if edge:
        segments = segments[: edge.segment + 1] if backwards else segments[edge.segment :]
    found: list[tuple[MailboxRecord, Cursor]] = []
    for number, segment in reversed(segments) if backwards else segments:
        start = edge if edge and edge.segment == number else None
        rows = connection.execute(
            segment.sort_query(query, start, backwards=backwards).limit(page_query.limit + 1 - len(found))
        )
        found += [(repository.to_record(row), segment.cursor_at(row, page_query.order, number)) for row in rows]
        if len(found) > page_query.limit:
            break
    return found


@dataclass(frozen=True, kw_only=True)
class DomainCount:
    """A domain and its number of mailboxes."""

    domain: str
    mailboxes: int


def count_by_domain(connection: sa.Connection, *, limit: int) -> list[DomainCount]:
    """Return the domains with the most mailboxes, largest first."""
    number = sa.func.count().label("mailboxes")
    query = sa.select(Mailbox.domain, number).group_by(Mailbox.domain).order_by(number.desc(), Mailbox.domain)
    return [DomainCount(domain=row.domain, mailboxes=row.mailboxes) for row in connection.execute(query.limit(limit))]

"""Queries of the list: one page of mailboxes in an order, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import GROUP_STATES, Group, MailboxFilter
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
    """Count all mailboxes by group, with one statement.

    Most mailboxes are valid, so the few others are counted by index and subtracted.
    """
    counted: dict[str, int] = dict(connection.execute(_count_groups(expiring_days)).one()._mapping)
    invalid = sum(counted[group] for group in GROUP_STATES if group is not Group.VALID)
    return MailboxCounts(valid=counted["total"] - invalid, **counted)


@cache_statement
def _count_groups(expiring_days: int) -> sa.Executable:
    groups = [group for group in Group if group is not Group.VALID]
    counted = {"total": MailboxFilter()} | {group.value: MailboxFilter(group=group) for group in groups}
    return sa.select(
        *(filters.build_count(one, expiring_days=expiring_days).label(name) for name, one in counted.items())
    )


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
    query = _select_positions(page_query.filter, expiring_days)
    segments = list(enumerate(sort_segments(page_query.order, expiring_days=expiring_days)))
    if edge:
        segments = segments[: edge.segment + 1] if backwards else segments[edge.segment :]
    found: list[tuple[int, Cursor]] = []
    for number, segment in reversed(segments) if backwards else segments:
        start = edge if edge and edge.segment == number else None
        rows = connection.execute(
            segment.sort_query(query, start, backwards=backwards).limit(page_query.limit + 1 - len(found))
        )
        found += [(row.id, segment.cursor_at(row, page_query.order, number)) for row in rows]
        if len(found) > page_query.limit:
            break
    records = repository.load_records(connection, [mailbox_id for mailbox_id, _ in found])
    return [(records[mailbox_id], cursor) for mailbox_id, cursor in found if mailbox_id in records]


@cache_statement
def _select_positions(mailbox_filter: MailboxFilter, expiring_days: int) -> Any:
    """Return the query of what a cursor contains; sorting all columns of many mailboxes would take longer."""
    query = sa.select(Mailbox.id, Mailbox.address).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return query.where(*filters.build_conditions(mailbox_filter, expiring_days=expiring_days))


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

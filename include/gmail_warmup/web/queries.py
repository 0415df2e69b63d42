"""The list's queries: one page of mailboxes in some order, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.web import filters
from gmail_warmup.web.filters import STATES, Filter, Group
from gmail_warmup.web.order import Cursor, Order, Sorting

PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to list. ``after`` and ``before`` are edges of the page that was left; at most one of them counts."""

    filter: Filter = field(default_factory=Filter)
    order: Order = Order.ADDRESS
    after: Cursor | None = None
    before: Cursor | None = None
    limit: int = PAGE


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of mailboxes, and where the neighbouring ones begin."""

    rows: Sequence[MailboxRecord]
    next_after: Cursor | None
    previous_before: Cursor | None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many mailboxes are how; ``expiring`` are also among the valid ones, ``paused`` among all."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    expiring: int
    paused: int


def counts(connection: sa.Connection, *, expiring_days: int) -> Counts:
    """Count all mailboxes: the states in one pass over their index, the few others each by its own."""
    state = OAuthGrant.state
    found = connection.execute(sa.select(state, sa.func.count()).group_by(state))
    by_state: dict[str, int] = {row[0]: row[1] for row in found}
    in_states = {group.value: sum(by_state.get(state, 0) for state in states) for group, states in STATES.items()}
    others = {
        group.value: filters.count(connection, Filter(group=group), expiring_days=expiring_days)
        for group in (Group.EXPIRING, Group.PAUSED)
    }
    return Counts(total=sum(by_state.values()), **in_states, **others)


def page(connection: sa.Connection, wanted: Wanted, *, expiring_days: int) -> Page:
    """Return one page. It seeks where the neighbouring one ended and counts no rows off.

    So the last page is as quick as the first, and what was added or taken away before it shifts nothing.
    """
    backwards = wanted.before is not None and wanted.after is None
    edge = wanted.before if backwards else wanted.after
    sorting = Sorting(wanted.order, expiring_days=expiring_days, backwards=backwards)
    query = repository.SELECT.where(*filters.conditions(wanted.filter, expiring_days=expiring_days))
    found = connection.execute(sorting.apply(query, edge).limit(wanted.limit + 1)).all()
    more, rows = len(found) > wanted.limit, found[: wanted.limit]
    if backwards:
        rows = rows[::-1]
    has_next, has_previous = (True, more) if backwards else (more, edge is not None)
    return Page(
        rows=[repository.record(row) for row in rows],
        next_after=sorting.cursor(rows[-1]) if rows and has_next else None,
        previous_before=sorting.cursor(rows[0]) if rows and has_previous else None,
    )


@dataclass(frozen=True, kw_only=True)
class DomainCount:
    """A domain, and how many mailboxes are in it."""

    domain: str
    mailboxes: int


def domains(connection: sa.Connection, *, limit: int) -> list[DomainCount]:
    """Return the commonest domains, the commonest first."""
    number = sa.func.count()
    query = sa.select(Mailbox.domain, number).group_by(Mailbox.domain).order_by(number.desc(), Mailbox.domain)
    return [DomainCount(domain=row[0], mailboxes=row[1]) for row in connection.execute(query.limit(limit))]


def now(connection: sa.Connection) -> datetime:
    """Return the database's time."""
    return connection.execute(sa.select(sa.func.now())).scalar_one()

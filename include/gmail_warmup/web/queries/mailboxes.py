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
from gmail_warmup.web.queries.filters import BANDS, INVALID, STATES, Filter, Group
from gmail_warmup.web.queries.sorting import Cursor, Order, stretches

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


def counts(connection: sa.Connection, *, expiring_days: int) -> Counts:
    """Count all mailboxes.

    Most are valid, and each has one grant: so the few others are counted by their indexes, and the valid are the rest.
    """
    state = OAuthGrant.state
    found = connection.execute(sa.select(state, sa.func.count()).where(state.in_(INVALID)).group_by(state))
    by_state: dict[str, int] = {row[0]: row[1] for row in found}
    total, expiring, paused = (
        filters.count(connection, Filter(group=group), expiring_days=expiring_days)
        for group in (None, Group.EXPIRING, Group.PAUSED)
    )
    in_states = {group.value: sum(by_state.get(state, 0) for state in states) for group, states in STATES.items()}
    valid = total - sum(by_state.values())
    others = {"valid": valid, "total": total, "expiring": expiring, "paused": paused}
    return Counts(**in_states | others | _in_bands(connection))


def _in_bands(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(Mailbox.band, sa.func.count()).where(filters.in_band(*BANDS.values())).group_by(Mailbox.band)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return {group.value: found.get(band, 0) for group, band in BANDS.items()}


def page(connection: sa.Connection, wanted: Wanted, *, expiring_days: int) -> Page:
    """Return one page. It seeks where the neighbouring one ended and counts no rows off.

    So the last page is as quick as the first, and what was added or taken away before it shifts nothing.
    """
    backwards = wanted.before is not None and wanted.after is None
    edge = wanted.before if backwards else wanted.after
    found = _from(connection, wanted, edge, backwards=backwards, expiring_days=expiring_days)
    more, rows = len(found) > wanted.limit, found[: wanted.limit]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, edge is not None)
    return Page(
        rows=[record for record, _ in rows],
        next_after=rows[-1][1] if rows and has_next else None,
        previous_before=rows[0][1] if rows and has_previous else None,
    )


def _from(
    connection: sa.Connection, wanted: Wanted, edge: Cursor | None, *, backwards: bool, expiring_days: int
) -> list[tuple[MailboxRecord, Cursor]]:
    """Return the mailboxes from an edge on with the place of each, one more than a page has if there is one."""
    query = repository.SELECT.where(*filters.conditions(wanted.filter, expiring_days=expiring_days))
    parts = list(enumerate(stretches(wanted.order, expiring_days=expiring_days)))
    if edge:
        parts = parts[: edge.stretch + 1] if backwards else parts[edge.stretch :]
    found: list[tuple[MailboxRecord, Cursor]] = []
    for number, stretch in reversed(parts) if backwards else parts:
        inside = edge if edge and edge.stretch == number else None
        rows = connection.execute(
            stretch.apply(query, inside, backwards=backwards).limit(wanted.limit + 1 - len(found))
        )
        found += [(repository.record(row), stretch.place(row, wanted.order, number)) for row in rows]
        if len(found) > wanted.limit:
            break
    return found


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

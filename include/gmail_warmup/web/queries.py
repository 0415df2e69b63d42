"""The list's queries: one page of mailboxes, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import GrantState, Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.grants import foresight
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord

PAGE = 100


class Group(StrEnum):
    """What an operator filters by: a state, or several that ask for the same."""

    VALID = "valid"
    """The grant works as far as is known."""
    NEEDS_REAUTH = "needs_reauth"
    """A person has to sign in again."""
    BLOCKED = "blocked"
    """An administrator, Google or the owner stands in the way: blocked, disabled or deleted."""
    SUSPECT = "suspect"
    """A second probe decides."""
    EXPIRING = "expiring"
    """It works, and its foretold end is near."""
    PAUSED = "paused"
    """A person paused it."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to list. ``after`` and ``before`` are addresses, the edges of the page that was left."""

    group: Group | None = None
    kind: MailboxKind | None = None
    search: str = ""
    after: str = ""
    before: str = ""
    limit: int = PAGE


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of mailboxes, by address, and where the neighbouring ones begin."""

    rows: Sequence[MailboxRecord]
    next_after: str | None
    previous_before: str | None


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


def in_group(group: Group, expiring_days: int) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox of a group meets."""
    state = OAuthGrant.state
    conditions: dict[Group, sa.ColumnElement[bool]] = {
        Group.VALID: state == GrantState.ACTIVE,
        Group.NEEDS_REAUTH: state == GrantState.NEEDS_REAUTH,
        Group.BLOCKED: state.in_((GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED, GrantState.ACCOUNT_DELETED)),
        Group.SUSPECT: state == GrantState.SUSPECT,
        Group.EXPIRING: foresight.ends_within(expiring_days),
        Group.PAUSED: Mailbox.paused_at.is_not(None),
    }
    return conditions[group]


def counts(connection: sa.Connection, *, expiring_days: int) -> Counts:
    """Count all mailboxes. Each table is read once and by itself: joining them costs more than counting."""
    on_grants = [group for group in Group if group is not Group.PAUSED]
    of_grants = sa.select(*(_number(group, expiring_days) for group in on_grants)).select_from(OAuthGrant).subquery()
    of_mailboxes = (
        sa.select(sa.func.count().label("total"), _number(Group.PAUSED, expiring_days)).select_from(Mailbox).subquery()
    )
    query = sa.select(of_mailboxes, of_grants).join_from(of_mailboxes, of_grants, sa.true())
    return Counts(**connection.execute(query).one()._mapping)


def _number(group: Group, expiring_days: int) -> sa.Label[int]:
    return sa.func.count().filter(in_group(group, expiring_days)).label(group.value)


def page(connection: sa.Connection, wanted: Wanted, *, expiring_days: int) -> Page:
    """Return one page. It seeks by address and counts no rows off: the last page is as quick as the first."""
    query = _filtered(wanted, expiring_days)
    backwards = bool(wanted.before) and not wanted.after
    if backwards:
        query = query.where(Mailbox.address < wanted.before).order_by(Mailbox.address.desc())
    else:
        query = query.where(Mailbox.address > wanted.after) if wanted.after else query
        query = query.order_by(Mailbox.address)
    found = [repository.record(row) for row in connection.execute(query.limit(wanted.limit + 1))]
    more, rows = len(found) > wanted.limit, found[: wanted.limit]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, bool(wanted.after))
    return Page(
        rows=rows,
        next_after=rows[-1].address if rows and has_next else None,
        previous_before=rows[0].address if rows and has_previous else None,
    )


def now(connection: sa.Connection) -> datetime:
    """Return the database's time."""
    return connection.execute(sa.select(sa.func.now())).scalar_one()


def _filtered(wanted: Wanted, expiring_days: int) -> sa.Select[Any]:
    query = repository.SELECT
    if wanted.group is not None:
        query = query.where(in_group(wanted.group, expiring_days))
    if wanted.kind is not None:
        query = query.where(Mailbox.kind == wanted.kind)
    if wanted.search:
        query = query.where(
            sa.or_(
                Mailbox.address.icontains(wanted.search, autoescape=True),
                Mailbox.display_name.icontains(wanted.search, autoescape=True),
            )
        )
    return query

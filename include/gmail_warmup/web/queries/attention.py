"""The mailboxes that need a person, oldest first: by grant, by health, or because their tasks keep failing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState
from gmail_warmup.db.models import HealthBand, Mailbox, MailboxAuth, MailboxFailure, MailboxKind, OAuthGrant
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.warmup.health.failures import IS_NOT_WORKING
from gmail_warmup.web.queries.filters import (
    GROUP_BANDS,
    INVALID_STATES,
    Group,
    MailboxFilter,
    build_conditions,
    build_count,
    in_band,
)

_HAS_OTHER_CAUSE = sa.or_(OAuthGrant.state.in_(FLAGGED_STATES), IS_NOT_WORKING)
"""Condition of the mailboxes that need a person whatever their health is, so that each is counted and listed once."""
_IS_OLDEST = Mailbox.id == sa.any_(sa.bindparam("oldest", type_=ARRAY(sa.BigInteger)))


class Cause(StrEnum):
    """Why a mailbox needs a person."""

    GRANT = "grant"
    HEALTH = "health"
    NOT_WORKING = "not_working"


@dataclass(frozen=True, kw_only=True)
class NeedyMailbox:
    """A mailbox that needs a person.

    Attributes:
        code: the state of the grant, for the cause ``grant``.
        reason: a reason code.
        detail: the last cause as a sentence, for the cause ``not_working``.
    """

    address: str
    kind: MailboxKind
    cause: Cause
    code: str
    reason: str | None
    detail: str | None
    since: datetime
    can_reauthenticate: bool


@dataclass(frozen=True, kw_only=True)
class Attention:
    """The states of some mailboxes, and those that need a person.

    Attributes:
        at: the time of the database.
        restricted: warmup mailboxes that send less or nothing because of their health.
        needy: those of the mailboxes that have needed a person for the longest time.
    """

    at: datetime
    mailboxes: int
    states: dict[GrantState, int]
    restricted: int
    needy_count: int
    needy: list[NeedyMailbox]


def load_attention(connection: sa.Connection, mailbox_filter: MailboxFilter, *, limit: int) -> Attention:
    """Count the mailboxes by state and load the first that need a person.

    Few mailboxes are not valid or not healthy, and an index finds them. So the valid ones are the rest, and each of
    the few is read once, for the counts and for the oldest.
    """
    total = connection.execute(_count_mailboxes(mailbox_filter)).one()
    invalid, unhealthy = (
        {row.name: row for row in connection.execute(query(mailbox_filter, limit))}
        for query in (_group_grants, _group_bands)
    )
    states = {state: invalid[state].mailboxes if state in invalid else 0 for state in GrantState}
    states[GrantState.ACTIVE] = total.mailboxes - sum(states.values())
    blocked = unhealthy[HealthBand.BLOCKED].needy if HealthBand.BLOCKED in unhealthy else 0
    oldest = [key for row in (*invalid.values(), *unhealthy.values()) for key in row.oldest]
    return Attention(
        at=total.now,
        mailboxes=total.mailboxes,
        states=states,
        restricted=sum(row.mailboxes for row in unhealthy.values()),
        needy_count=sum(states[state] for state in FLAGGED_STATES) + blocked + total.not_working,
        needy=_load_needy(connection, mailbox_filter, oldest, limit=limit),
    )


@cache_statement
def _count_mailboxes(mailbox_filter: MailboxFilter) -> sa.Executable:
    not_working = replace(mailbox_filter, group=Group.NOT_WORKING)
    return sa.select(
        sa.func.now().label("now"),
        build_count(mailbox_filter, expiring_days=0).label("mailboxes"),
        build_count(not_working, expiring_days=0).label("not_working"),
    )


@cache_statement
def _group_grants(mailbox_filter: MailboxFilter, limit: int) -> sa.Select[Any]:
    """Return the query of the invalid grants by state."""
    grants = _select_groups(OAuthGrant.state, OAuthGrant.mailbox_id, OAuthGrant.state_since, limit)
    conditions = build_conditions(mailbox_filter, expiring_days=0)
    if conditions:
        grants = grants.join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
    return grants.where(OAuthGrant.state.in_(INVALID_STATES), *conditions)


@cache_statement
def _group_bands(mailbox_filter: MailboxFilter, limit: int) -> sa.Select[Any]:
    """Return the query of the restricted warmup mailboxes by health band."""
    bands = _select_groups(Mailbox.band, Mailbox.id, Mailbox.band_since, limit, only=~_HAS_OTHER_CAUSE)
    bands = bands.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return bands.where(in_band(*GROUP_BANDS.values()), *build_conditions(mailbox_filter, expiring_days=0))


def _select_groups(
    group: Any, mailbox_id: Any, since: Any, limit: int, only: sa.ColumnElement[bool] | None = None
) -> sa.Select[Any]:
    """Return the number of mailboxes of each group, and the ids of those that have been in it for the longest time.

    Args:
        only: condition of the mailboxes that are listed, and counted as ``needy``; None for all.
    """
    listed = sa.true() if only is None else only
    ids = sa.func.array_agg(aggregate_order_by(mailbox_id, since, mailbox_id), type_=ARRAY(sa.BigInteger))
    oldest = sa.func.coalesce(ids.filter(listed), sa.cast(sa.text("'{}'"), ARRAY(sa.BigInteger)))
    return sa.select(
        group.label("name"),
        sa.func.count().label("mailboxes"),
        sa.func.count().filter(listed).label("needy"),
        sa.type_coerce(oldest, ARRAY(sa.BigInteger))[1:limit].label("oldest"),
    ).group_by(group)


def _load_needy(
    connection: sa.Connection, mailbox_filter: MailboxFilter, oldest: list[int], *, limit: int
) -> list[NeedyMailbox]:
    rows = connection.execute(_select_needy(mailbox_filter, limit), {"oldest": oldest})
    return convert_rows(rows, _to_needy, table=Mailbox.__tablename__)


def _to_needy(row: sa.Row[Any]) -> NeedyMailbox:
    return NeedyMailbox(**{**row._mapping, "kind": MailboxKind(row.kind), "cause": Cause(row.cause)})


@cache_statement
def _select_needy(mailbox_filter: MailboxFilter, limit: int) -> sa.Select[Any]:
    parts = [part.limit(limit) for part in _select_parts(build_conditions(mailbox_filter, expiring_days=0))]
    all_parts = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return sa.select(all_parts).order_by(all_parts.c.since, all_parts.c.address).limit(limit)


def _select_parts(conditions: list[sa.ColumnElement[bool]]) -> list[sa.Select[Any]]:
    grant = _select_mailboxes(Cause.GRANT, OAuthGrant.state_since, code=OAuthGrant.state, reason=OAuthGrant.reason)
    health = _select_mailboxes(Cause.HEALTH, Mailbox.band_since, code=Mailbox.band, reason=Mailbox.band_reason)
    failing = _select_mailboxes(
        Cause.NOT_WORKING, MailboxFailure.since, code=sa.literal(""), reason=MailboxFailure.reason,
        detail=MailboxFailure.detail,
    ).join(MailboxFailure, MailboxFailure.mailbox_id == Mailbox.id)  # fmt: skip
    return [
        grant.where(OAuthGrant.state.in_(FLAGGED_STATES), _IS_OLDEST),
        health.where(in_band(HealthBand.BLOCKED), ~_HAS_OTHER_CAUSE, Mailbox.band_since.is_not(None), _IS_OLDEST),
        failing.where(IS_NOT_WORKING, *conditions),
    ]


def _select_mailboxes(cause: Cause, since: Any, *, code: Any, reason: Any, detail: Any = None) -> sa.Select[Any]:
    return (
        sa.select(
            Mailbox.address,
            Mailbox.kind,
            sa.literal(cause.value).label("cause"),
            code.label("code"),
            reason.label("reason"),
            (sa.cast(sa.null(), sa.Text) if detail is None else detail).label("detail"),
            since.label("since"),
            sa.and_(Mailbox.auth == MailboxAuth.GRANT, sa.literal(cause is Cause.GRANT)).label("can_reauthenticate"),
        )
        .select_from(Mailbox)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .order_by(since, Mailbox.address)
    )

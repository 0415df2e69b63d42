"""Filters of mailboxes, shared by the list, bulk changes and the export."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import (
    GrantState,
    HealthBand,
    Mailbox,
    MailboxKind,
    MailboxReadiness,
    OAuthGrant,
    ReadinessState,
)
from gmail_warmup.mailboxes.addresses import normalize_domain, to_stored_address
from gmail_warmup.mailboxes.lookup import matches_text
from gmail_warmup.mailboxes.tags import has_tag, normalize_tag
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.clients.registry import is_of_client
from gmail_warmup.warmup.health.failures import IS_NOT_WORKING


class Group(StrEnum):
    """Groups of mailboxes that an operator filters by: grant states, health bands, pauses."""

    VALID = "valid"
    """The grant works."""
    NEEDS_REAUTH = "needs_reauth"
    """A person has to sign in again."""
    BLOCKED = "blocked"
    """Blocked by an administrator, disabled, or deleted."""
    SUSPECT = "suspect"
    """Refused once; a second probe decides."""
    NOT_WORKING = "not_working"
    """Its tasks keep failing although it should work."""
    EXPIRING = "expiring"
    """The grant works, but its predicted expiry is near."""
    PAUSED = "paused"
    """Paused by a person."""
    THROTTLED = "throttled"
    """Reduced volume because of its health."""
    HEALTH_PAUSED = "health_paused"
    """Paused because of its health, or sending a small fresh sample."""
    HEALTH_BLOCKED = "health_blocked"
    """Stopped because of its health until a person acts."""


@dataclass(frozen=True, kw_only=True)
class MailboxFilter:
    """Conditions that a mailbox meets all of. An empty filter matches all mailboxes."""

    group: Group | None = None
    kind: MailboxKind | None = None
    readiness: ReadinessState | None = None
    """The stored state, which each run of a DAG updates."""
    domain: str = ""
    """The whole domain."""
    tag: str = ""
    owner: str = ""
    """The whole mail address of the owner."""
    client: str = ""
    """The Connection of the OAuth client that issued the grant."""
    search: str = ""
    """Part of an address or name, case-insensitive."""

    def __bool__(self) -> bool:
        """Return whether any condition is set."""
        return self != MailboxFilter()


GROUP_STATES = {
    Group.VALID: (GrantState.ACTIVE,),
    Group.NEEDS_REAUTH: (GrantState.NEEDS_REAUTH,),
    Group.BLOCKED: (GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED, GrantState.ACCOUNT_DELETED),
    Group.SUSPECT: (GrantState.SUSPECT,),
}
"""Groups defined by the state of the grant. Each state is in exactly one."""

GROUP_BANDS = {
    Group.THROTTLED: HealthBand.THROTTLED,
    Group.HEALTH_PAUSED: HealthBand.PAUSED,
    Group.HEALTH_BLOCKED: HealthBand.BLOCKED,
}
"""Groups defined by the health band of a warmup mailbox."""

INVALID_STATES = [state for group, states in GROUP_STATES.items() if group is not Group.VALID for state in states]


def in_group(group: Group, expiring_days: int) -> sa.ColumnElement[bool]:
    """Return the condition for a group; the query has to join mailbox and grant."""
    if group in GROUP_STATES:
        return OAuthGrant.state.in_(GROUP_STATES[group])
    if group is Group.NOT_WORKING:
        return IS_NOT_WORKING
    if group in GROUP_BANDS:
        return in_band(GROUP_BANDS[group])
    return expiry.expires_within(expiring_days) if group is Group.EXPIRING else Mailbox.paused_at.is_not(None)


def in_band(*bands: HealthBand) -> sa.ColumnElement[bool]:
    """Return the condition for warmup mailboxes in these bands, as literals that match the partial index."""
    kind, *listed = (_bind_literal(value.value) for value in (MailboxKind.WARMUP, *bands))
    return sa.and_(Mailbox.kind == kind, sa.or_(*(Mailbox.band == band for band in listed)))


def _bind_literal(value: str) -> sa.BindParameter[str]:
    return sa.bindparam(None, value, unique=True, literal_execute=True)


def build_conditions(mailbox_filter: MailboxFilter, *, expiring_days: int) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a filter; the query has to join mailbox and grant."""
    conditions: list[sa.ColumnElement[bool]] = []
    if mailbox_filter.group is not None:
        conditions.append(_match_group(mailbox_filter.group, expiring_days))
    if mailbox_filter.kind is not None:
        conditions.append(Mailbox.kind == mailbox_filter.kind)
    if mailbox_filter.readiness is not None:
        is_in_state = MailboxReadiness.state == mailbox_filter.readiness
        conditions.append(Mailbox.kind == MailboxKind.WARMUP)
        conditions.append(Mailbox.id.in_(sa.select(MailboxReadiness.mailbox_id).where(is_in_state)))
    if mailbox_filter.domain:
        conditions.append(Mailbox.domain == normalize_domain(mailbox_filter.domain))
    if mailbox_filter.tag:
        conditions.append(_match_tag(mailbox_filter.tag))
    if mailbox_filter.owner:
        conditions.append(Mailbox.owner_email == to_stored_address(mailbox_filter.owner))
    if mailbox_filter.client:
        conditions.append(is_of_client(mailbox_filter.client))
    if mailbox_filter.search:
        conditions.append(matches_text(mailbox_filter.search))
    return conditions


def select_ids(mailbox_filter: MailboxFilter, *, expiring_days: int) -> sa.Select[int]:
    """Return the query for the ids of the mailboxes that match a filter."""
    group = mailbox_filter.group
    # A mailbox has exactly one grant, so a join is needed only for conditions on both.
    if group in GROUP_STATES and mailbox_filter == MailboxFilter(group=group):
        return _select_grants(group)
    query: sa.Select[Any] = sa.select(Mailbox.id)
    if group in (Group.VALID, Group.NOT_WORKING, Group.EXPIRING):
        query = query.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return query.where(*build_conditions(mailbox_filter, expiring_days=expiring_days))


def count_mailboxes(connection: sa.Connection, mailbox_filter: MailboxFilter, *, expiring_days: int) -> int:
    """Count the mailboxes that match a filter."""
    return int(connection.execute(sa.select(build_count(mailbox_filter, expiring_days=expiring_days))).scalar_one())


def build_count(mailbox_filter: MailboxFilter, *, expiring_days: int) -> sa.ColumnElement[int]:
    """Return the number of mailboxes that match a filter as an expression, so that one statement counts several.

    Most grants are valid, so valid ones are counted as the difference between all and the few invalid ones, which have
    an index.
    """
    if mailbox_filter.group is not Group.VALID:
        return _count_rows(select_ids(mailbox_filter, expiring_days=expiring_days))
    others = select_ids(replace(mailbox_filter, group=None), expiring_days=expiring_days)
    invalid = others.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id).where(OAuthGrant.state.in_(INVALID_STATES))
    return _count_rows(others) - _count_rows(invalid)


def _count_rows(query: sa.Select[int]) -> sa.ColumnElement[int]:
    return query.with_only_columns(sa.func.count(), maintain_column_froms=True).scalar_subquery()


def _match_group(group: Group, expiring_days: int) -> sa.ColumnElement[bool]:
    if group is Group.VALID or group not in GROUP_STATES:
        return in_group(group, expiring_days)
    # OFFSET makes PostgreSQL read the few invalid grants by index. Otherwise it may read all mailboxes in the order of
    # the page, and the few at their end.
    return Mailbox.id.in_(_select_grants(group).offset(0))


def _select_grants(group: Group) -> sa.Select[int]:
    return sa.select(OAuthGrant.mailbox_id).where(OAuthGrant.state.in_(GROUP_STATES[group])).correlate(None)


def _match_tag(text: str) -> sa.ColumnElement[bool]:
    """Return the condition for a tag; a text that cannot be a tag matches no mailbox."""
    try:
        return has_tag(normalize_tag(text))
    except InvalidInputError:
        return sa.false()

"""Which mailboxes are meant: the filters that list, bulk changes and export share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import GrantState, HealthBand, Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.oauth import expiry


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
    THROTTLED = "throttled"
    """Its health lets it send less."""
    HEALTH_PAUSED = "health_paused"
    """Its health lets it rest, or send a small fresh sample."""
    HEALTH_BLOCKED = "health_blocked"
    """Its health stopped it; a person has to look."""


@dataclass(frozen=True, kw_only=True)
class MailboxFilter:
    """Mailboxes that meet all of these; without any, all mailboxes."""

    group: Group | None = None
    kind: MailboxKind | None = None
    domain: str = ""
    """The whole domain."""
    search: str = ""
    """Part of an address or of a name, in any case of letters."""

    def __bool__(self) -> bool:
        """Tell whether it leaves anything out."""
        return self != MailboxFilter()


GROUP_STATES = {
    Group.VALID: (GrantState.ACTIVE,),
    Group.NEEDS_REAUTH: (GrantState.NEEDS_REAUTH,),
    Group.BLOCKED: (GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED, GrantState.ACCOUNT_DELETED),
    Group.SUSPECT: (GrantState.SUSPECT,),
}
"""The groups that are states of the grant; each state is in one of them."""

GROUP_BANDS = {
    Group.THROTTLED: HealthBand.THROTTLED,
    Group.HEALTH_PAUSED: HealthBand.PAUSED,
    Group.HEALTH_BLOCKED: HealthBand.BLOCKED,
}
"""The groups that are health bands of warmup mailboxes."""

INVALID_STATES = [state for group, states in GROUP_STATES.items() if group is not Group.VALID for state in states]


def in_group(group: Group, expiring_days: int) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox of a group meets; the query joins mailbox and grant."""
    if group in GROUP_STATES:
        return OAuthGrant.state.in_(GROUP_STATES[group])
    if group in GROUP_BANDS:
        return in_band(GROUP_BANDS[group])
    return expiry.expires_within(expiring_days) if group is Group.EXPIRING else Mailbox.paused_at.is_not(None)


def in_band(*bands: HealthBand) -> sa.ColumnElement[bool]:
    """Return the condition that a warmup mailbox is in one of these bands, in the words of the index."""
    kind, *listed = (_bind_literal(value.value) for value in (MailboxKind.WARMUP, *bands))
    return sa.and_(Mailbox.kind == kind, sa.or_(*(Mailbox.band == band for band in listed)))


def _bind_literal(value: str) -> sa.BindParameter[str]:
    return sa.bindparam(None, value, unique=True, literal_execute=True)


def build_conditions(chosen: MailboxFilter, *, expiring_days: int) -> list[sa.ColumnElement[bool]]:
    """Return what a mailbox meets that a filter lets through; the query joins mailbox and grant."""
    found: list[sa.ColumnElement[bool]] = []
    if chosen.group is not None:
        found.append(in_group(chosen.group, expiring_days))
    if chosen.kind is not None:
        found.append(Mailbox.kind == chosen.kind)
    if chosen.domain:
        found.append(Mailbox.domain == to_storable_text(chosen.domain.lower()))
    if chosen.search:
        found.append(_match_text(to_storable_text(chosen.search.lower())))
    return found


def select_ids(chosen: MailboxFilter, *, expiring_days: int) -> sa.Select[int]:
    """Return the query of the ids that a filter lets through."""
    query: sa.Select[Any] = sa.select(Mailbox.id)
    # A mailbox has exactly one grant: where the grant is not asked about, joining it would only cost.
    if chosen.group not in (None, Group.PAUSED, *GROUP_BANDS):
        query = query.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return query.where(*build_conditions(chosen, expiring_days=expiring_days))


def count_mailboxes(connection: sa.Connection, chosen: MailboxFilter, *, expiring_days: int) -> int:
    """Count the mailboxes that a filter lets through.

    Nearly all are valid, so those are what the few others leave, which their index finds.
    """
    if chosen.group is not Group.VALID:
        return _count_rows(connection, select_ids(chosen, expiring_days=expiring_days))
    others = select_ids(replace(chosen, group=None), expiring_days=expiring_days)
    invalid = others.join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id).where(OAuthGrant.state.in_(INVALID_STATES))
    return _count_rows(connection, others) - _count_rows(connection, invalid)


def _count_rows(connection: sa.Connection, query: sa.Select[int]) -> int:
    counted = query.with_only_columns(sa.func.count(), maintain_column_froms=True)
    return int(connection.execute(counted).scalar_one())


def to_storable_text(text: str) -> str:
    """Return a text as PostgreSQL can compare it; what it cannot hold becomes a character that nothing contains."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\x00", "\ufffd")


def _match_text(text: str) -> sa.ColumnElement[bool]:
    # Addresses are stored in lower case. LIKE on text in one case costs a tenth of ILIKE, whatever the locale is.
    name = sa.func.lower(Mailbox.display_name)
    return sa.or_(Mailbox.address.contains(text, autoescape=True), name.contains(text, autoescape=True))

"""The number of grants by state and day: written by each audit, so that the overview shows how they changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from gmail_warmup.core.enums import GrantState, MailboxKind
from gmail_warmup.db.models import GrantDay, Mailbox, OAuthGrant
from gmail_warmup.warmup.reporting.domain_days import UTC_TODAY

_G = GrantDay
_ALL_DOMAINS = ""


@dataclass(frozen=True, kw_only=True)
class GrantStates:
    """The number of grants in each state at the last audit of a day."""

    day: date
    states: Mapping[GrantState, int]


def record_grant_states(connection: sa.Connection) -> None:
    """Store the present number of grants by state for today, by domain and for all domains."""
    domain = sa.func.coalesce(Mailbox.domain, _ALL_DOMAINS)
    sets = sa.func.grouping_sets(
        sa.tuple_(Mailbox.kind, OAuthGrant.state), sa.tuple_(Mailbox.domain, Mailbox.kind, OAuthGrant.state)
    )
    known = sa.and_(
        OAuthGrant.state.in_(list(GrantState)), Mailbox.kind.in_(list(MailboxKind)), Mailbox.domain != _ALL_DOMAINS
    )
    counts = (
        sa.select(domain, UTC_TODAY, Mailbox.kind, OAuthGrant.state, sa.func.count())
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(known)
        .group_by(sets)
    )
    connection.execute(sa.delete(_G).where(_G.day == UTC_TODAY))
    connection.execute(sa.insert(_G).from_select(["domain", "day", "kind", "state", "mailboxes"], counts))


_KIND = sa.bindparam("kind", type_=sa.Text)
_COUNTS = (
    sa.func.coalesce(sa.func.sum(_G.mailboxes).filter(_G.state == state), 0).label(state.value) for state in GrantState
)
_SELECT_STATES = (
    sa.select(_G.day, *_COUNTS)
    .where(
        _G.domain == sa.bindparam("domain"),
        _G.day > UTC_TODAY - sa.bindparam("days", type_=sa.Integer),
        sa.or_(_KIND.is_(None), _G.kind == _KIND),
    )
    .group_by(_G.day)
    .order_by(_G.day)
)


def load_grant_states(
    connection: sa.Connection, *, days: int, domain: str = "", kind: MailboxKind | None = None
) -> list[GrantStates]:
    """Return the states of the last days with an audit, oldest first."""
    chosen = {"days": days, "domain": domain, "kind": kind}
    rows = connection.execute(_SELECT_STATES, chosen)
    return [GrantStates(day=day, states=dict(zip(GrantState, counts, strict=True))) for day, *counts in rows]

"""Write the results of token requests: many rows in one UPDATE, each compared with the version that was read.

A row with a higher version is not changed: it was re-authenticated or refreshed in the meantime. The history and the
transitions to be alerted on are written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from gmail_warmup.core.enums import FLAGGED_STATES, RefusingParty
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.locks import lock_grants
from gmail_warmup.db.models import AlertItem, GrantEvent, GrantState, OAuthGrant
from gmail_warmup.oauth.grant import Actor, StoredGrant


@dataclass(frozen=True, kw_only=True)
class RefreshedTokens:
    """The tokens of a successful refresh, encrypted, with their lifetimes in seconds from now."""

    access_token: str = field(repr=False)
    access_seconds: float
    refresh_token: str | None = field(default=None, repr=False)
    refresh_seconds: float | None = None
    scopes: tuple[str, ...] = ()
    client_id: str


@dataclass(frozen=True, kw_only=True)
class GrantUpdate:
    """The new state of one grant.

    Attributes:
        grant: as it was read; its version is compared.
        refused_by: the party whose refusal caused the state; None if no refusal did.
        tokens: None if no tokens are to be stored.
        verified: whether Google has just issued an access token that is not stored.
        probe_seconds: seconds until the next probe; None for no probe.
        drop_access: whether to delete the access token, because it cannot work any more either.
        incident_id: the incident under which the refusal is or was held.
    """

    grant: StoredGrant
    state: GrantState
    reason: str | None = None
    refused_by: RefusingParty | None = None
    tokens: RefreshedTokens | None = None
    verified: bool = False
    probe_seconds: float | None = None
    drop_access: bool = False
    incident_id: int | None = None

    @property
    def is_transition(self) -> bool:
        """Return whether state or reason change, which the history records."""
        return self.state is not self.grant.state or self.reason != self.grant.reason

    @property
    def is_alertable(self) -> bool:
        """Return whether to alert the operator: the mailbox was flagged, or has recovered."""
        return is_alertable_transition(self.grant.state, self.state)


VALUES_OF_NEW_GRANT: dict[str, Any] = {
    "state": GrantState.ACTIVE,
    "reason": None,
    "refused_by": None,
    "state_since": sa.func.now(),
    "next_probe_at": None,
    "incident_id": None,
    "expiring_at": None,
    "version": OAuthGrant.version + 1,
    "lease_holder": None,
    "lease_until": None,
}
"""Of a grant that replaces another one. The version rises and the lease ends: a refresh in progress changes nothing."""


def is_alertable_transition(before: str | None, after: str) -> bool:
    """Return whether to alert the operator on a transition; a suspect grant is not flagged before its second probe."""
    down = after in FLAGGED_STATES and before not in FLAGGED_STATES
    return down or (after == GrantState.ACTIVE and before in FLAGGED_STATES)


_UPDATE_COLUMNS: dict[str, Any] = {
    "mailbox_id": sa.BigInteger,
    "version": sa.BigInteger,
    "state": sa.Text,
    "reason": sa.Text,
    "refused_by": sa.Text,
    "moved": sa.Boolean,
    "probe_seconds": sa.Float,
    "drop_access": sa.Boolean,
    "incident_id": sa.BigInteger,
    "verified": sa.Boolean,
    "refreshed": sa.Boolean,
    "access_token": sa.Text,
    "access_seconds": sa.Float,
    "refresh_token": sa.Text,
    "refresh_seconds": sa.Float,
    "scopes": sa.Text,
    "client_id": sa.Text,
}


def _to_update_row(update: GrantUpdate) -> dict[str, Any]:
    row: dict[str, Any] = {
        "mailbox_id": update.grant.mailbox_id,
        "version": update.grant.version,
        "state": update.state.value,
        "reason": update.reason,
        "refused_by": update.refused_by,
        "moved": update.is_transition,
        "probe_seconds": update.probe_seconds,
        "drop_access": update.drop_access,
        "incident_id": update.incident_id,
        "verified": update.verified or update.tokens is not None,
        "refreshed": update.tokens is not None,
    }
    if update.tokens:
        row |= {
            "access_token": update.tokens.access_token,
            "access_seconds": max(0.0, update.tokens.access_seconds),
            "refresh_token": update.tokens.refresh_token,
            "refresh_seconds": update.tokens.refresh_seconds,
            "scopes": " ".join(update.tokens.scopes) or None,
            "client_id": update.tokens.client_id,
        }
    return row


def _build_statement() -> sa.Update:
    """Build the UPDATE. The rows are passed as one JSON document, so that its text is the same for any number."""
    new = (
        sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
        .table_valued(*(sa.column(name, kind) for name, kind in _UPDATE_COLUMNS.items()))
        .render_derived(name="new", with_types=True)
    )
    grant, n, now = OAuthGrant, new.c, sa.func.now()
    probe_at = sa.case((n.probe_seconds.is_not(None), now + make_interval(n.probe_seconds)))
    return (
        sa.update(grant)
        .where(grant.mailbox_id == n.mailbox_id, grant.version == n.version)
        .values(
            {
                "state": n.state,
                "reason": n.reason,
                "refused_by": n.refused_by,
                "state_since": sa.case((n.moved, now), else_=grant.state_since),
                "next_probe_at": probe_at,
                "incident_id": n.incident_id,
                "access_token": sa.case(
                    (n.drop_access, sa.null()), (n.refreshed, n.access_token), else_=grant.access_token
                ),
                "access_expires_at": sa.case(
                    (n.drop_access, sa.null()),
                    (n.refreshed, now + make_interval(n.access_seconds)),
                    else_=grant.access_expires_at,
                ),
                "refresh_token": sa.func.coalesce(n.refresh_token, grant.refresh_token),
                "refresh_expires_at": sa.case(
                    (n.refresh_seconds.is_not(None), now + make_interval(n.refresh_seconds)),
                    else_=grant.refresh_expires_at,
                ),
                "scopes": sa.case((n.scopes.is_not(None), sa.func.string_to_array(n.scopes, " ")), else_=grant.scopes),
                "client_id": sa.func.coalesce(n.client_id, grant.client_id),
                "refreshed_at": sa.case((n.verified, now), else_=grant.refreshed_at),
                "version": grant.version + 1,
                "lease_holder": None,
                "lease_until": None,
            }
        )
        .returning(grant.mailbox_id)
    )


_UPDATE_STATEMENT = _build_statement()


def apply_updates(connection: sa.Connection, updates: Sequence[GrantUpdate], *, actor: Actor) -> set[int]:
    """Write updates inside the caller's transaction; return the mailbox ids of the rows that were written."""
    if not updates:
        return set()
    if len(updates) > 1:  # one UPDATE of several rows would lock them in any order
        lock_grants(connection, [update.grant.mailbox_id for update in updates])
    rows = [_to_update_row(update) for update in updates]
    written = set(connection.scalars(_UPDATE_STATEMENT, {"rows": rows}))
    for update in updates:
        if update.is_transition and update.grant.mailbox_id in written:
            add_event(
                connection, update.grant.mailbox_id, actor, update.grant.state, update.state, update.reason,
                is_alertable=update.is_alertable, incident_id=update.incident_id,
            )  # fmt: skip
    return written


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A change of a grant, for the history."""

    mailbox_id: int
    before: str | None
    after: str
    reason: str | None


def add_events(connection: sa.Connection, transitions: Sequence[Transition], *, actor: Actor) -> None:
    """Add many transitions to the history, and the alertable ones to the items of the next alert."""
    events = [
        {"mailbox_id": item.mailbox_id, "actor": actor.name, "from_state": item.before, "to_state": item.after,
         "reason": item.reason, "dag_id": actor.dag_id, "run_id": actor.run_id}
        for item in transitions
    ]  # fmt: skip
    added = connection.execute(sa.insert(GrantEvent).returning(GrantEvent.id, GrantEvent.mailbox_id), events).all()
    alertable = {item.mailbox_id for item in transitions if is_alertable_transition(item.before, item.after)}
    items = [{"event_id": row.id, "mailbox_id": row.mailbox_id} for row in added if row.mailbox_id in alertable]
    if items:
        connection.execute(sa.insert(AlertItem), items)


def add_event(
    connection: sa.Connection,
    mailbox_id: int,
    actor: Actor,
    before: str | None,
    after: str,
    reason: str | None,
    *,
    is_alertable: bool,
    incident_id: int | None = None,
) -> None:
    """Add a transition to the history and, if it is alertable, to the items of the next alert."""
    added = sa.insert(GrantEvent).values(
        mailbox_id=mailbox_id, actor=actor.name, from_state=before, to_state=after, reason=reason,
        dag_id=actor.dag_id, run_id=actor.run_id,
    ).returning(GrantEvent.id)  # fmt: skip
    event_id = connection.scalar(added)
    if is_alertable:
        connection.execute(
            sa.insert(AlertItem).values(event_id=event_id, mailbox_id=mailbox_id, incident_id=incident_id)
        )

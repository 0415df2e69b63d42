"""Writing what Google said about grants: many rows in one statement, each with the version that was read.

A row whose version has risen meanwhile is left alone: it was re-authenticated, or refreshed by somebody else. The
history and what the operator is told about are written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import AlertItem, GrantEvent, GrantState, OAuthGrant
from gmail_warmup.oauth.grant import Actor, StoredGrant


@dataclass(frozen=True, kw_only=True)
class RefreshedTokens:
    """What a refresh brought; the tokens are ciphertexts, the lifetimes seconds from now."""

    access_token: str = field(repr=False)
    access_seconds: float
    refresh_token: str | None = field(default=None, repr=False)
    refresh_seconds: float | None = None
    scopes: tuple[str, ...] = ()
    client_id: str


@dataclass(frozen=True, kw_only=True)
class GrantUpdate:
    """What becomes of one grant.

    Attributes:
        grant: as it was read; its version is compared.
        probe_seconds: from now until the next probe, or None for none.
        verified: Google has just issued an access token, though none is kept.
        drop_access: forget the access token, because it cannot work any more either.
        incident_id: the incident under which the verdict is held, or was.
    """

    grant: StoredGrant
    state: GrantState
    reason: str | None = None
    tokens: RefreshedTokens | None = None
    verified: bool = False
    probe_seconds: float | None = None
    drop_access: bool = False
    incident_id: int | None = None

    @property
    def is_transition(self) -> bool:
        """Tell whether this is a transition, which the history records."""
        return self.state is not self.grant.state or self.reason != self.grant.reason

    @property
    def is_alertable(self) -> bool:
        """Tell whether the operator hears of it: the mailbox newly needs somebody, or does so no more."""
        return is_alertable_transition(self.grant.state, self.state)


def is_alertable_transition(before: str | None, after: str) -> bool:
    """Tell whether the operator hears of a transition; a suspect is none before a second probe has decided."""
    down = after in FLAGGED_STATES and before not in FLAGGED_STATES
    return down or (after == GrantState.ACTIVE and before in FLAGGED_STATES)


_UPDATE_COLUMNS: dict[str, Any] = {
    "mailbox_id": sa.BigInteger,
    "version": sa.BigInteger,
    "state": sa.Text,
    "reason": sa.Text,
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


def _to_update_row(write: GrantUpdate) -> dict[str, Any]:
    row: dict[str, Any] = {
        "mailbox_id": write.grant.mailbox_id,
        "version": write.grant.version,
        "state": write.state.value,
        "reason": write.reason,
        "moved": write.is_transition,
        "probe_seconds": write.probe_seconds,
        "drop_access": write.drop_access,
        "incident_id": write.incident_id,
        "verified": write.verified or write.tokens is not None,
        "refreshed": write.tokens is not None,
    }
    if write.tokens:
        row |= {
            "access_token": write.tokens.access_token,
            "access_seconds": max(0.0, write.tokens.access_seconds),
            "refresh_token": write.tokens.refresh_token,
            "refresh_seconds": write.tokens.refresh_seconds,
            "scopes": " ".join(write.tokens.scopes) or None,
            "client_id": write.tokens.client_id,
        }
    return row


def _build_statement() -> sa.Update:
    """Build the UPDATE once: its text does not depend on the number of rows, which come as one JSON document."""
    new = (
        sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
        .table_valued(*(sa.column(name, kind) for name, kind in _UPDATE_COLUMNS.items()))
        .render_derived(name="new", with_types=True)
    )
    grant, n, now = OAuthGrant, new.c, sa.func.now()
    probe_at = sa.case((n.probe_seconds.is_not(None), now + interval(n.probe_seconds)))
    return (
        sa.update(grant)
        .where(grant.mailbox_id == n.mailbox_id, grant.version == n.version)
        .values(
            {
                "state": n.state,
                "reason": n.reason,
                "state_since": sa.case((n.moved, now), else_=grant.state_since),
                "next_probe_at": probe_at,
                "incident_id": n.incident_id,
                "access_token": sa.case((n.refreshed, n.access_token), (~n.drop_access, grant.access_token)),
                "access_expires_at": sa.case(
                    (n.refreshed, now + interval(n.access_seconds)), (~n.drop_access, grant.access_expires_at)
                ),
                "refresh_token": sa.func.coalesce(n.refresh_token, grant.refresh_token),
                "refresh_expires_at": sa.case(
                    (n.refresh_seconds.is_not(None), now + interval(n.refresh_seconds)), else_=grant.refresh_expires_at
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


def apply_updates(connection: sa.Connection, writes: Sequence[GrantUpdate], *, actor: Actor) -> set[int]:
    """Write inside the caller's transaction; return the mailbox ids of the grants that were still the ones read."""
    if not writes:
        return set()
    rows = [_to_update_row(write) for write in sorted(writes, key=lambda write: write.grant.mailbox_id)]
    written = set(connection.scalars(_UPDATE_STATEMENT, {"rows": rows}))
    for write in writes:
        if write.is_transition and write.grant.mailbox_id in written:
            add_event(
                connection, write.grant.mailbox_id, actor, write.grant.state, write.state, write.reason,
                is_alertable=write.is_alertable, incident_id=write.incident_id,
            )  # fmt: skip
    return written


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
    """Add a transition to the history, and to what the operator is told."""
    added = sa.insert(GrantEvent).values(
        mailbox_id=mailbox_id, actor=actor.name, from_state=before, to_state=after, reason=reason,
        dag_id=actor.dag_id, run_id=actor.run_id,
    ).returning(GrantEvent.id)  # fmt: skip
    event_id = connection.scalar(added)
    if is_alertable:
        connection.execute(
            sa.insert(AlertItem).values(event_id=event_id, mailbox_id=mailbox_id, incident_id=incident_id)
        )

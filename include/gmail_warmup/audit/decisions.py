"""The verdicts of an audit: decided when all of it is in, and confirmed by a second pass where they are too many.

One audit is one row of the table ``audit``, whatever number of tasks probes its shards, and whichever of them is killed
and run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import FLAGGED_STATES, ResponseCategory
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import (
    AlertItem,
    AuditRun,
    GrantEvent,
    GrantState,
    IncidentKind,
    Mailbox,
    MailboxAuth,
    OAuthGrant,
)
from gmail_warmup.oauth import grant_updates, mass_refusal
from gmail_warmup.oauth.access_tokens import log_refusal
from gmail_warmup.oauth.grant import SELECT_GRANT, StoredGrant, to_stored_grant
from gmail_warmup.oauth.grant_store import Actor, GrantStore
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from gmail_warmup.oauth.reasons import REASONS


@dataclass(frozen=True, kw_only=True)
class StartedAudit:
    """An audit that was begun."""

    id: int
    run_id: str
    started_at: datetime
    healthy: int
    """How many grants were known to work before it."""


@dataclass(frozen=True, kw_only=True)
class AuditDecision:
    """What became of the verdicts."""

    confirmed: list[str]
    """Addresses of the mailboxes that were flagged."""
    held_count: int
    """How many wait for a second pass, because they are suspiciously many."""


def begin_audit(engine: sa.Engine, run_id: str, *, actor: Actor) -> StartedAudit:
    """Begin an audit, or return the one that was begun under this id."""
    healthy = sa.select(sa.func.count()).where(
        OAuthGrant.state == GrantState.ACTIVE, OAuthGrant.refreshed_at.is_not(None)
    )
    with engine.begin() as connection:
        connection.execute(
            insert(AuditRun)
            .values(run_id=run_id, actor=actor.name, healthy=healthy.scalar_subquery())
            .on_conflict_do_nothing(index_elements=[AuditRun.run_id])
        )
        columns = (AuditRun.id, AuditRun.run_id, AuditRun.started_at, AuditRun.healthy)
        row = connection.execute(sa.select(*columns).where(AuditRun.run_id == run_id)).one()
    return StartedAudit(**row._mapping)


def decide_refusals(
    store: GrantStore, audit: StartedAudit, *, app_error: str | None, unreadable: int, actor: Actor
) -> AuditDecision:
    """Condemn the healthy grants that were refused, or hold them all: if they are too many, or the app is in trouble.

    Args:
        unreadable: how many grants could not be decrypted.
    """
    with store.engine.begin() as connection:
        _update_unreadable_incident(connection, unreadable)
        refused = _select_new_suspects(connection, audit)
        certain = [grant for grant in refused if REASONS[grant.reason or "grant_refused"].flags_grant]
        if len(refused) > mass_refusal.compute_refusal_limit(audit.healthy) or (app_error and certain):
            _hold_refusals(connection, audit, refused)
            return AuditDecision(confirmed=[], held_count=len(refused))
        condemned = [store.build_flag_update(grant) for grant in certain]
        written = grant_updates.apply_updates(connection, condemned, actor=actor)
    for write in condemned:
        log_refusal(write)
    return AuditDecision(confirmed=[grant.address for grant in certain if grant.mailbox_id in written], held_count=0)


def _select_new_suspects(connection: sa.Connection, audit: StartedAudit) -> list[StoredGrant]:
    """Return the grants that became suspect since the audit began, and are not held yet."""
    query = SELECT_GRANT.where(
        OAuthGrant.state == GrantState.SUSPECT,
        OAuthGrant.state_since >= audit.started_at,
        OAuthGrant.incident_id.is_(None),
        OAuthGrant.refreshed_at.is_not(None),
    )
    return [
        to_stored_grant(row)
        for row in connection.execute(query.order_by(OAuthGrant.mailbox_id).with_for_update(of=OAuthGrant))
    ]


def _hold_refusals(connection: sa.Connection, audit: StartedAudit, refused: list[StoredGrant]) -> None:
    reasons = [grant.reason or "grant_refused" for grant in refused]
    reason = max(set(reasons), key=lambda code: (reasons.count(code), code))
    incident = mass_refusal.open_mass_refusal_incident(
        connection, reason=reason, mailboxes=len(refused), held=len(refused), healthy=audit.healthy
    )
    ids = [grant.mailbox_id for grant in refused]
    connection.execute(sa.update(OAuthGrant).where(OAuthGrant.mailbox_id.in_(ids)).values(incident_id=incident))


def _update_unreadable_incident(connection: sa.Connection, unreadable: int) -> None:
    if unreadable:
        open_incident(connection, IncidentKind.UNREADABLE, reason="undecryptable", detail={"mailboxes": unreadable})
    else:
        close_incidents(connection, IncidentKind.UNREADABLE)


def select_second_pass(
    connection: sa.Connection, audit: StartedAudit, *, missed: bool, delay: int, skip_within: int
) -> tuple[list[int], float]:
    """Return the mailboxes to probe once more, and for how many seconds that still has to wait.

    Args:
        missed: whether there were some that the first pass was to ask about and could not reach.
        delay: seconds to wait for Google to be well again, from the beginning of the audit.
        skip_within: seconds after a refresh in which nothing is asked.
    """
    now = sa.func.now()
    suspect = sa.and_(OAuthGrant.state == GrantState.SUSPECT, OAuthGrant.state_since >= audit.started_at)
    due: sa.ColumnElement[Any] = sa.type_coerce(OAuthGrant.next_probe_at, sa.DateTime(timezone=True))
    if missed:
        late = sa.func.least(now - interval(skip_within), audit.started_at)
        unreached = sa.and_(
            OAuthGrant.state == GrantState.ACTIVE,
            Mailbox.auth == MailboxAuth.GRANT,
            sa.func.coalesce(OAuthGrant.refreshed_at <= late, sa.true()),
        )
        due = sa.case((unreached, audit.started_at + interval(delay)), else_=due)
        suspect = sa.or_(suspect, unreached)
    wait = sa.func.extract("epoch", due - now)
    query = sa.select(OAuthGrant.mailbox_id, wait).join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id).where(suspect)
    found = connection.execute(query.order_by(OAuthGrant.mailbox_id)).all()
    return [mailbox_id for mailbox_id, _ in found], max((float(seconds or 0) for _, seconds in found), default=0.0)


def list_newly_flagged(connection: sa.Connection, audit: StartedAudit) -> list[str]:
    """Return the addresses of the mailboxes that this audit flagged, and that are flagged still."""
    query = (
        sa.select(Mailbox.address)
        .join(GrantEvent, GrantEvent.mailbox_id == Mailbox.id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(
            GrantEvent.run_id == audit.run_id,
            GrantEvent.at >= audit.started_at,
            GrantEvent.to_state.in_(FLAGGED_STATES),
            GrantEvent.from_state.not_in(FLAGGED_STATES),
            OAuthGrant.state.in_(FLAGGED_STATES),
        )
        .distinct()
        .order_by(Mailbox.address)
    )
    return list(connection.scalars(query))


def count_unreported(connection: sa.Connection) -> int:
    """Count the mailboxes that newly need a person and of which nobody was told yet."""
    query = (
        sa.select(sa.func.count(sa.distinct(AlertItem.mailbox_id)))
        .join(GrantEvent, GrantEvent.id == AlertItem.event_id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == AlertItem.mailbox_id)
        .where(
            AlertItem.alert_id.is_(None), GrantEvent.to_state.in_(FLAGGED_STATES), OAuthGrant.state.in_(FLAGGED_STATES)
        )
    )
    return int(connection.scalar(query) or 0)


def finish_audit(connection: sa.Connection, audit: StartedAudit, report: dict[str, Any]) -> None:
    """Keep the report of an audit, for the page."""
    connection.execute(
        sa.update(AuditRun).where(AuditRun.id == audit.id).values(finished_at=sa.func.now(), report=report)
    )


RETRYABLE_COUNTS = frozenset({"transient", "throttled", "app_error"})
"""Names under which an audit counts what it could not ask about, and may ask about later."""


def merge_results(shards: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Add the results of shards up; a shard that failed has none."""
    counts, unknown = Counter[str](), Counter[str]()
    stopped: list[str] = []
    for shard in shards:
        if shard:
            counts.update(shard["counts"])
            unknown.update(shard["unknown"])
            stopped += [shard["stopped"]] if shard["stopped"] else []
    app_error = next((code for code in stopped if REASONS[code].category is ResponseCategory.APP), None)
    return {
        "counts": dict(counts), "unknown": dict(unknown), "stopped": app_error or next(iter(stopped), None),
        "app_error": app_error,
    }  # fmt: skip

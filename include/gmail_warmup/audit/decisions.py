"""Decide which of the grants that an audit found refused are flagged, and which await a second pass.

One audit is one row of the table ``audit``, however many tasks probe its shards or are killed and run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.audit.report import AuditReport
from gmail_warmup.audit.results import AuditOutcome, AuditResult
from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.clock import bound_time, make_interval
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.models import (
    AuditRun,
    GrantEvent,
    GrantState,
    IncidentKind,
    Mailbox,
    MailboxAuth,
    OAuthGrant,
)
from gmail_warmup.oauth import grant_updates, mass_refusal
from gmail_warmup.oauth.grant import SELECT_GRANT, Actor, StoredGrant, to_stored_grant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.refusal_policy import log_refusal


@dataclass(frozen=True, kw_only=True)
class StartedAudit:
    """An audit that has begun."""

    id: int
    run_id: str
    started_at: datetime
    healthy: int
    """Number of grants that were known to work before it."""


@dataclass(frozen=True, kw_only=True)
class AuditDecision:
    """The decision about the refused grants of an audit."""

    confirmed: list[str]
    """Addresses of the mailboxes that were flagged."""
    held_count: int
    """Number of mailboxes that await a second pass, because unusually many grants were refused."""


@dataclass(frozen=True, kw_only=True)
class SecondPass:
    """The mailboxes to probe a second time."""

    mailbox_ids: list[int]
    wait_seconds: float
    """Seconds until the last of them is due; not positive if all are due."""


def begin_audit(engine: sa.Engine, run_id: str, *, actor: Actor) -> StartedAudit:
    """Begin an audit, or return the one that began under this run id."""
    healthy = sa.select(sa.func.count()).where(
        OAuthGrant.state == GrantState.ACTIVE, OAuthGrant.refreshed_at.is_not(None)
    )
    with write_transaction(engine) as connection:
        connection.execute(
            insert(AuditRun)
            .values(run_id=run_id, actor=actor.name, healthy=healthy.scalar_subquery())
            .on_conflict_do_nothing(index_elements=[AuditRun.run_id])
        )
        columns = (AuditRun.id, AuditRun.run_id, AuditRun.started_at, AuditRun.healthy)
        row = connection.execute(sa.select(*columns).where(AuditRun.run_id == run_id)).one()
    return StartedAudit(**row._mapping)


def decide_refusals(store: GrantStore, audit: StartedAudit, result: AuditResult, *, actor: Actor) -> AuditDecision:
    """Flag the healthy grants that were refused.

    Those of one OAuth client are held if they are too many, or if Google refused the client during the audit.
    """
    decision, updates = _write_decision(store, audit, result, actor=actor)
    for update in updates:
        log_refusal(update)
    return decision


@retry_conflict
def _write_decision(
    store: GrantStore, audit: StartedAudit, result: AuditResult, *, actor: Actor
) -> tuple[AuditDecision, list[GrantUpdate]]:
    """Write the decision; return it with the updates of the flagged grants."""
    with write_transaction(store.engine) as connection:
        mass_refusal.lock_refusal_count(connection)
        refused = _select_new_suspects(connection, audit)
        _update_unreadable_incident(connection, result.count(AuditOutcome.UNREADABLE))
        decided = [grant for grant in refused if REASONS.look_up(grant.reason, "grant_refused").flags_grant]
        held = set[int]()
        for client_id, grants in _group_by_client(refused).items():
            certain = [grant for grant in decided if grant.client_id == client_id]
            healthy = _count_healthy(connection, client_id) + len(grants)
            is_refused = bool(result.refused_clients) if client_id is None else client_id in result.refused_clients
            if len(grants) > mass_refusal.compute_refusal_limit(healthy) or (is_refused and certain):
                _hold_refusals(connection, client_id, grants, healthy=healthy)
                held |= {grant.mailbox_id for grant in grants}
        updates = [store.refusal_policy.confirm(grant) for grant in decided if grant.mailbox_id not in held]
        written = grant_updates.apply_updates(connection, updates, actor=actor)
    confirmed = [update.grant.address for update in updates if update.grant.mailbox_id in written]
    return AuditDecision(confirmed=confirmed, held_count=len(held)), updates


def _group_by_client(grants: Iterable[StoredGrant]) -> dict[str | None, list[StoredGrant]]:
    grouped = defaultdict[str | None, list[StoredGrant]](list)
    for grant in grants:
        grouped[grant.client_id].append(grant)
    return grouped


def _count_healthy(connection: sa.Connection, client_id: str | None) -> int:
    query = sa.select(sa.func.count()).where(
        OAuthGrant.state == GrantState.ACTIVE,
        OAuthGrant.refreshed_at.is_not(None),
        OAuthGrant.client_id.is_not_distinct_from(client_id),
    )
    return int(connection.scalar(query) or 0)


def _select_new_suspects(connection: sa.Connection, audit: StartedAudit) -> list[StoredGrant]:
    """Lock and return the grants that became suspect since the audit began and are not held yet."""
    query = SELECT_GRANT.where(
        OAuthGrant.state == GrantState.SUSPECT,
        OAuthGrant.state_since >= audit.started_at,
        OAuthGrant.incident_id.is_(None),
        OAuthGrant.refreshed_at.is_not(None),
    )
    locked = query.order_by(OAuthGrant.mailbox_id).with_for_update(of=OAuthGrant, key_share=True)
    return [to_stored_grant(row) for row in connection.execute(locked)]


def _hold_refusals(
    connection: sa.Connection, client_id: str | None, refused: list[StoredGrant], *, healthy: int
) -> None:
    reasons = [grant.reason or "grant_refused" for grant in refused]
    most_frequent = max(set(reasons), key=lambda code: (reasons.count(code), code))
    incident_id = mass_refusal.open_mass_refusal_incident(
        connection, client_id, reason=most_frequent, mailboxes=len(refused), held=len(refused), healthy=healthy
    )
    ids = [grant.mailbox_id for grant in refused]
    connection.execute(sa.update(OAuthGrant).where(OAuthGrant.mailbox_id.in_(ids)).values(incident_id=incident_id))


def _update_unreadable_incident(connection: sa.Connection, unreadable: int) -> None:
    if unreadable:
        open_incident(connection, IncidentKind.UNREADABLE, reason="undecryptable", detail={"mailboxes": unreadable})
    else:
        close_incidents(connection, IncidentKind.UNREADABLE)


def select_second_pass(
    connection: sa.Connection, audit: StartedAudit, *, has_unreached: bool, delay: int, skip_within: int
) -> SecondPass:
    """Return the mailboxes to probe a second time: the suspects and, if there are any, the unreached ones.

    Args:
        has_unreached: whether the first pass could not reach some mailboxes.
        delay: seconds from the beginning of the audit until unreached mailboxes are probed again.
        skip_within: seconds after a refresh in which a grant is not probed.
    """
    now = sa.func.now()
    selected = sa.and_(OAuthGrant.state == GrantState.SUSPECT, OAuthGrant.state_since >= audit.started_at)
    due: sa.ColumnElement[Any] = bound_time(OAuthGrant.next_probe_at)
    if has_unreached:
        unreached = sa.and_(
            OAuthGrant.state == GrantState.ACTIVE,
            Mailbox.auth == MailboxAuth.GRANT,
            sa.func.coalesce(
                OAuthGrant.refreshed_at <= sa.func.least(now - make_interval(skip_within), audit.started_at), sa.true()
            ),
        )
        due = sa.case((unreached, audit.started_at + make_interval(delay)), else_=due)
        selected = sa.or_(selected, unreached)
    wait = sa.func.extract("epoch", due - now).label("wait_seconds")
    query = sa.select(OAuthGrant.mailbox_id, wait).join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id).where(selected)
    rows = connection.execute(query.order_by(OAuthGrant.mailbox_id)).all()
    return SecondPass(
        mailbox_ids=[row.mailbox_id for row in rows],
        wait_seconds=max((float(row.wait_seconds or 0) for row in rows), default=0.0),
    )


def list_newly_flagged(connection: sa.Connection, audit: StartedAudit) -> list[str]:
    """Return the addresses of the mailboxes that this audit flagged and that are still flagged."""
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


def finish_audit(connection: sa.Connection, audit: StartedAudit, report: AuditReport) -> None:
    """Store the report of an audit, for the page."""
    connection.execute(
        sa.update(AuditRun).where(AuditRun.id == audit.id).values(finished_at=sa.func.now(), report=report.to_json())
    )

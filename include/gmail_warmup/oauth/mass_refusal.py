"""The mass guard: when many grants are refused at once, the cause is rarely the grants.

Verdicts beyond the limit are held: the grant becomes suspect with the reason of the verdict, one incident is raised,
and the second probe, ``suspect_delay`` later, decides. A cohort whose end Google had announced dies unquestioned.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import GrantState, Incident, IncidentKind, Mailbox, OAuthGrant
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.incidents import open_incident
from gmail_warmup.oauth.reasons import REASONS, Reason

MIN_MASS_REFUSALS, MASS_REFUSAL_SHARE = 5, 0.02
"""So many grants may die together before it is a mass: 5, or 2 % of the healthy ones, whichever is more."""
WINDOW_SECONDS = 3600
"""Seconds that count as together, for refusals that tasks find one by one."""
IDLE_LIFETIME = timedelta(days=180)
"""A refresh token that is not used for so long ends (Google, "Refresh token expiration")."""
TESTING_LIFETIME = timedelta(days=7)
"""So long a grant lives whose consent was given to an app in Testing (the same source)."""


def compute_refusal_limit(healthy: int) -> int:
    """Return how many of so many healthy grants may die together."""
    return max(MIN_MASS_REFUSALS, int(MASS_REFUSAL_SHARE * healthy))


def infer_expiry_cause(grant: StoredGrant, reason: Reason) -> Reason:
    """Turn Google's "expired or revoked" into the likelier of its causes, where the dates say so."""
    if reason.code != "expired_or_revoked":
        return reason
    if grant.granted_at is not None and abs(grant.now - grant.granted_at - TESTING_LIFETIME) <= timedelta(hours=12):
        return REASONS["expired_in_testing"]
    if grant.refreshed_at is not None and grant.now - grant.refreshed_at >= IDLE_LIFETIME:
        return REASONS["expired_idle"]
    return reason


def is_announced_expiry(grant: StoredGrant, reason: Reason) -> bool:
    """Tell whether this death was announced, and so needs no second opinion."""
    ends = grant.refresh_expires_at
    return reason.code == "expired_as_foretold" or (ends is not None and ends <= grant.now + timedelta(days=1))


def counts_for_mass_refusal(grant: StoredGrant, reason: Reason) -> bool:
    """Tell whether this verdict counts for the mass guard: a healthy grant is to die unannounced."""
    return reason.flags_grant and grant.is_healthy and not is_announced_expiry(grant, reason)


_EXCLUDED_REASONS = ("expired_as_foretold", "never_granted")


def count_recent_refusals(connection: sa.Connection) -> tuple[int, int]:
    """Return how many verified grants were refused within the window, and how many were healthy before."""
    state = OAuthGrant.state
    refused = sa.and_(
        state != GrantState.ACTIVE,
        OAuthGrant.state_since > sa.func.now() - interval(WINDOW_SECONDS),
        OAuthGrant.reason.not_in(_EXCLUDED_REASONS),
    )
    query = sa.select(
        sa.func.count().filter(refused), sa.func.count().filter(sa.or_(state == GrantState.ACTIVE, refused))
    ).where(OAuthGrant.refreshed_at.is_not(None))
    count, healthy = connection.execute(query).one()
    return int(count), int(healthy)


def open_incident_if_over_limit(connection: sa.Connection, reason: Reason) -> int | None:
    """Return the incident under which one more verdict is to be held, or None if it may stand."""
    refused, healthy = count_recent_refusals(connection)
    if refused + 1 <= compute_refusal_limit(healthy):
        return None
    open_id = connection.scalar(
        sa.select(Incident.id).where(Incident.kind == IncidentKind.MASS_REFUSAL, Incident.closed_at.is_(None))
    )
    already = sa.select(sa.func.count()).where(OAuthGrant.incident_id == open_id)
    held = 1 + int(connection.scalar(already) or 0)
    return open_mass_refusal_incident(connection, reason=reason.code, mailboxes=refused + 1, held=held, healthy=healthy)


def open_mass_refusal_incident(
    connection: sa.Connection, *, reason: str, mailboxes: int, held: int, healthy: int
) -> int:
    """Open the incident of a mass refusal, or bring it up to date; return its id.

    Args:
        mailboxes: how many grants were refused together.
        held: of how many of them the verdict waits.
        healthy: how many worked before.
    """
    detail = {"mailboxes": mailboxes, "held": held, "healthy": healthy, "domains": _count_by_domain(connection)}
    return open_incident(connection, IncidentKind.MASS_REFUSAL, reason=reason, detail=detail)


def _count_by_domain(connection: sa.Connection) -> dict[str, int]:
    """Count the refused by domain, the most hit first."""
    domain = sa.func.split_part(Mailbox.address, "@", 2)
    query = (
        sa.select(domain, sa.func.count())
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(OAuthGrant.state != GrantState.ACTIVE, OAuthGrant.state_since > sa.func.now() - interval(WINDOW_SECONDS))
        .where(OAuthGrant.refreshed_at.is_not(None))
        .group_by(domain)
        .order_by(sa.func.count().desc(), domain)
        .limit(20)
    )
    return {name: count for name, count in connection.execute(query)}


def close_decided_incidents(connection: sa.Connection) -> int:
    """Close the incidents of which every held verdict is decided; return how many that were.

    Where the second pass confirmed everything there is no good news to tell: the alert that opened the incident said
    what would follow, and the daily report counts it.
    """
    held = sa.select(OAuthGrant.mailbox_id).where(
        OAuthGrant.incident_id == Incident.id, OAuthGrant.state == GrantState.SUSPECT
    )
    query = sa.select(Incident.id, Incident.detail).where(
        Incident.kind == IncidentKind.MASS_REFUSAL, Incident.closed_at.is_(None), ~held.exists()
    )
    closed = connection.execute(query.with_for_update(skip_locked=True)).all()
    for incident_id, detail in closed:
        _close_incident(connection, incident_id, detail)
    return len(closed)


def _close_incident(connection: sa.Connection, incident_id: int, detail: dict[str, Any]) -> None:
    confirmed = connection.scalar(
        sa.select(sa.func.count()).where(OAuthGrant.incident_id == incident_id, OAuthGrant.state != GrantState.ACTIVE)
    )
    values: dict[str, Any] = {"closed_at": sa.func.now(), "detail": detail | {"confirmed": confirmed}}
    if confirmed and confirmed >= detail.get("held", 0):
        values["closed_alert_id"] = Incident.opened_alert_id
    connection.execute(sa.update(Incident).where(Incident.id == incident_id).values(values))

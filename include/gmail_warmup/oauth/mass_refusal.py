"""Hold refusals if many grants of one OAuth client are refused at once, since the cause is then rarely the grants.

Above the limit a refused grant becomes suspect instead of flagged, one incident is opened, and a second probe
``suspect_delay`` later decides. Grants whose expiry Google announced are not held back.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import GrantState, Incident, IncidentKind, Mailbox, OAuthGrant
from gmail_warmup.oauth.expiry import is_announced_expiry
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.incidents import open_incident
from gmail_warmup.oauth.reasons import Reason

MIN_MASS_REFUSALS, MASS_REFUSAL_SHARE = 5, 0.02
"""Refusals up to this number, or up to this share of the healthy grants if that is more, are no mass refusal."""
WINDOW_SECONDS = 3600
"""Window in which the refusals that single tasks receive are counted together."""
_MAX_LISTED_DOMAINS = 20
_EXCLUDED_REASONS = ("expired_as_foretold", "never_granted", "precondition_failed")


def compute_refusal_limit(healthy: int) -> int:
    """Return how many of this number of healthy grants may be refused together."""
    return max(MIN_MASS_REFUSALS, int(MASS_REFUSAL_SHARE * healthy))


def counts_for_mass_refusal(grant: StoredGrant, reason: Reason) -> bool:
    """Return whether this refusal would flag a healthy grant without an announced expiry."""
    return reason.flags_grant and grant.is_healthy and not is_announced_expiry(grant, reason)


def lock_refusal_count(connection: sa.Connection) -> None:
    """Let one transaction at a time count refusals and flag grants by that count.

    Without the lock, each of several concurrent tasks would count only the refusals that were committed before it.
    """
    lock_decisions(connection, DecisionLock.MASS_REFUSAL)


def count_recent_refusals(connection: sa.Connection, client_id: str | None) -> tuple[int, int]:
    """Return how many verified grants of a client were refused within the window, and how many were healthy before."""
    state = OAuthGrant.state
    refused = sa.and_(
        state != GrantState.ACTIVE,
        OAuthGrant.state_since > sa.func.now() - make_interval(WINDOW_SECONDS),
        OAuthGrant.reason.not_in(_EXCLUDED_REASONS),
    )
    query = sa.select(
        sa.func.count().filter(refused).label("refused"),
        sa.func.count().filter(sa.or_(state == GrantState.ACTIVE, refused)).label("healthy"),
    ).where(OAuthGrant.refreshed_at.is_not(None), _is_of_client(client_id))
    row = connection.execute(query).one()
    return int(row.refused), int(row.healthy)


def open_incident_if_over_limit(connection: sa.Connection, reason: Reason, client_id: str | None) -> int | None:
    """Return the id of the incident under which one more refusal of a client is held; None if it is below the limit.

    The caller has called ``lock_refusal_count``.
    """
    refused, healthy = count_recent_refusals(connection, client_id)
    if refused + 1 <= compute_refusal_limit(healthy):
        return None
    open_id = connection.scalar(
        sa.select(Incident.id).where(
            Incident.kind == IncidentKind.MASS_REFUSAL, Incident.key == (client_id or ""), Incident.closed_at.is_(None)
        )
    )
    already_held = connection.scalar(sa.select(sa.func.count()).where(OAuthGrant.incident_id == open_id)) or 0
    return open_mass_refusal_incident(
        connection,
        client_id,
        reason=reason.code,
        mailboxes=refused + 1,
        held=1 + int(already_held),
        healthy=healthy,
    )


def open_mass_refusal_incident(
    connection: sa.Connection, client_id: str | None, *, reason: str, mailboxes: int, held: int, healthy: int
) -> int:
    """Open the incident of a mass refusal, or update the open one; return its id.

    Args:
        client_id: the client that issued the grants; None if it is unknown.
        mailboxes: number of grants that were refused together.
        held: number of these whose refusal is held.
        healthy: number of grants that worked before.
    """
    detail = {
        "mailboxes": mailboxes,
        "held": held,
        "healthy": healthy,
        "domains": _count_by_domain(connection, client_id),
    }
    return open_incident(connection, IncidentKind.MASS_REFUSAL, key=client_id or "", reason=reason, detail=detail)


def _is_of_client(client_id: str | None) -> sa.ColumnElement[bool]:
    return OAuthGrant.client_id.is_not_distinct_from(client_id)


def _count_by_domain(connection: sa.Connection, client_id: str | None) -> dict[str, int]:
    """Count the refused grants of a client by domain, the most frequent first."""
    domain, count = sa.func.split_part(Mailbox.address, "@", 2), sa.func.count()
    query = (
        sa.select(domain.label("domain"), count.label("mailboxes"))
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(
            OAuthGrant.state != GrantState.ACTIVE,
            OAuthGrant.state_since > sa.func.now() - make_interval(WINDOW_SECONDS),
            OAuthGrant.refreshed_at.is_not(None),
            _is_of_client(client_id),
        )
        .group_by(domain)
        .order_by(count.desc(), domain)
        .limit(_MAX_LISTED_DOMAINS)
    )
    return {row.domain: row.mailboxes for row in connection.execute(query)}


def close_decided_incidents(connection: sa.Connection) -> int:
    """Close the incidents whose held refusals have all been decided; return their number.

    If the second pass confirmed every refusal, no alert is sent about the end: the alert that opened the incident
    announced the second pass, and the daily report contains the counts.
    """
    held = sa.select(OAuthGrant.mailbox_id).where(
        OAuthGrant.incident_id == Incident.id, OAuthGrant.state == GrantState.SUSPECT
    )
    query = sa.select(Incident.id, Incident.detail).where(
        Incident.kind == IncidentKind.MASS_REFUSAL, Incident.closed_at.is_(None), ~held.exists()
    )
    decided = connection.execute(query.with_for_update(skip_locked=True)).all()
    for row in decided:
        _close_incident(connection, row.id, row.detail)
    return len(decided)


def _close_incident(connection: sa.Connection, incident_id: int, detail: dict[str, Any]) -> None:
    confirmed = connection.scalar(
        sa.select(sa.func.count()).where(OAuthGrant.incident_id == incident_id, OAuthGrant.state != GrantState.ACTIVE)
    )
    values: dict[str, Any] = {"closed_at": sa.func.now(), "detail": detail | {"confirmed": confirmed}}
    if confirmed and confirmed >= detail.get("held", 0):
        values["closed_alert_id"] = Incident.opened_alert_id
    connection.execute(sa.update(Incident).where(Incident.id == incident_id).values(values))

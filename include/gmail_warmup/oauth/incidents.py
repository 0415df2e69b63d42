"""Incidents: problems that affect many mailboxes, reported once when they begin and once when they end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.reasons import ReasonBase
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.models import Incident, IncidentKind
from gmail_warmup.domains.authentication_reasons import AUTHENTICATION_REASONS
from gmail_warmup.oauth.clients.names import load_client_names, name_client
from gmail_warmup.oauth.reasons import REASONS

_CLOSE_STATEMENT = (
    sa.update(Incident)
    .where(
        Incident.kind == sa.any_(sa.bindparam("kinds", type_=ARRAY(sa.Text))),
        Incident.key == sa.bindparam("of_key"),
        Incident.closed_at.is_(None),
    )
    .values(closed_at=sa.func.now())
)

_DESCRIPTIONS = {
    IncidentKind.APP_ERROR: "the OAuth client is refused; no account is affected",
    IncidentKind.OUTAGE: "no requests are sent to Google, because many in a row failed",
    IncidentKind.MASS_REFUSAL: "unusually many grants were refused together and await a second probe",
    IncidentKind.UNREADABLE: "stored grants cannot be decrypted",
    IncidentKind.UNAUTHENTICATED: "Google does not authenticate the mail of",
    IncidentKind.OVERDUE: "no success of the DAG",
}

_CLIENT_INCIDENTS = (IncidentKind.APP_ERROR, IncidentKind.OUTAGE, IncidentKind.MASS_REFUSAL)
"""Kinds whose key is the one of a breaker, or a client id."""


def open_incident(
    connection: sa.Connection, kind: IncidentKind, *, key: str = "", reason: str, detail: dict[str, Any] | None = None
) -> int:
    """Open an incident, or update the open one of this kind and key; return its id."""
    statement = insert(Incident).values(kind=kind, key=key, reason=reason, detail=detail or {})
    changes: dict[str, Any] = {"reason": statement.excluded.reason}
    if detail is not None:
        changes["detail"] = statement.excluded.detail
    return int(
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[Incident.kind, Incident.key], index_where=Incident.closed_at.is_(None), set_=changes
            ).returning(Incident.id)
        ).scalar_one()
    )


def close_incidents(connection: sa.Connection, *kinds: IncidentKind, key: str = "") -> int:
    """Close the open incidents of these kinds; return their number."""
    return connection.execute(_CLOSE_STATEMENT, {"kinds": list(kinds), "of_key": key}).rowcount


def close_other_incidents(connection: sa.Connection, kind: IncidentKind, *, keys: Collection[str]) -> None:
    """Close the open incidents of a kind, except those with these keys."""
    closed = sa.update(Incident).where(Incident.kind == kind, Incident.closed_at.is_(None), Incident.key.not_in(keys))
    connection.execute(closed.values(closed_at=sa.func.now()))


def explain_incident(kind: str, reason: str, key: str) -> ReasonBase:
    """Return the reason of an incident, from the table that the kind of the incident uses."""
    if kind != IncidentKind.UNAUTHENTICATED:
        return REASONS.look_up(reason, "unknown_answer")
    found = AUTHENTICATION_REASONS.look_up(reason, "unauthenticated")
    return replace(found, remedy=found.remedy_for(key))


def list_open_incidents(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Return kind, key, reason, detail and opened_at of the open incidents, the oldest first."""
    query = sa.select(Incident.kind, Incident.key, Incident.reason, Incident.detail, Incident.opened_at)
    return list(connection.execute(query.where(Incident.closed_at.is_(None)).order_by(Incident.opened_at, Incident.id)))


def name_incident_client(kind: str, key: str, names: Mapping[str, str]) -> str:
    """Return the OAuth client, or the service account, that an incident concerns; empty if it concerns none.

    Args:
        names: of ``load_client_names``.
    """
    return name_client(key, names) if kind in _CLIENT_INCIDENTS else ""


def describe_open_incidents(connection: sa.Connection) -> list[str]:
    """Return one text per open incident: since when, what it is, of which OAuth client, and what to do."""
    incidents = list_open_incidents(connection)
    names = load_client_names(connection) if incidents else {}
    return [describe_incident(row, _name_subject(row, names)) for row in incidents]


def describe_incident(incident: sa.Row[Any], subject: str = "") -> str:
    """Return since when an incident is open, what it is, and what to do."""
    reason = explain_incident(incident.kind, incident.reason, incident.key)
    mailboxes = incident.detail.get("mailboxes") if isinstance(incident.detail, dict) else None
    size = f" ({pluralize(mailboxes, 'mailbox')})" if isinstance(mailboxes, int) else ""
    return (
        f"Since {incident.opened_at:%Y-%m-%d %H:%M} UTC, "
        f"{_DESCRIPTIONS.get(incident.kind, incident.kind)}{subject}{size}: "
        f"{reason.message} {reason.remedy}"
    )


def _name_subject(incident: sa.Row[Any], names: Mapping[str, str]) -> str:
    if client := name_incident_client(incident.kind, incident.key, names):
        return f" (OAuth client {client})"
    return f" {incident.key}" if incident.key else ""

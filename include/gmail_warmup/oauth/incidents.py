"""Incidents: what concerns many mailboxes at once is said once, when it begins and when it ends."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.db.models import Incident, IncidentKind

_CLOSE_STATEMENT = (
    sa.update(Incident)
    .where(
        Incident.kind == sa.any_(sa.bindparam("kinds", type_=ARRAY(sa.Text))),
        Incident.key == sa.bindparam("of_key"),
        Incident.closed_at.is_(None),
    )
    .values(closed_at=sa.func.now())
)


def open_incident(
    connection: sa.Connection, kind: IncidentKind, *, key: str = "", reason: str, detail: dict[str, Any] | None = None
) -> int:
    """Open an incident, or bring the one that is open up to date; return its id."""
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
    """Close the open incidents of these kinds; return how many that were."""
    return connection.execute(_CLOSE_STATEMENT, {"kinds": list(kinds), "of_key": key}).rowcount


def list_open_incidents(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Return what is open, the oldest first: kind, key, reason, detail, opened_at."""
    query = sa.select(Incident.kind, Incident.key, Incident.reason, Incident.detail, Incident.opened_at)
    return list(connection.execute(query.where(Incident.closed_at.is_(None)).order_by(Incident.opened_at, Incident.id)))

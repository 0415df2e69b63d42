"""Compose one alert from everything that has happened since the last alert, and store it before it is sent.

A transition is reported once, or never if it was undone before it was reported. A transaction-level advisory lock keeps
concurrent composers from reporting the same transition twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.alerts import incident_text, text
from gmail_warmup.alerts.audience import insert_alert, store_alert
from gmail_warmup.alerts.text import AlertMessage, GrantChange
from gmail_warmup.audit.report import AuditReport
from gmail_warmup.core.enums import FLAGGED_STATES, LIMITED_BANDS
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import (
    Alert,
    AlertItem,
    AlertKind,
    GrantEvent,
    HealthEvent,
    Incident,
    IncidentKind,
    Mailbox,
    MailboxFailure,
    OAuthGrant,
)
from gmail_warmup.db.rows import isolate_item
from gmail_warmup.oauth.clients.names import load_client_names
from gmail_warmup.oauth.incidents import name_incident_client

_RECENT_SECONDS = 2 * 86_400
"""Seconds after a refresh during which a grant counts as working; the audit refreshes every day."""

_LOCK_KEY = 7_310_575_252_113_449_331
"""The key of the advisory lock; any number that is not used elsewhere in Airflow's database."""


@dataclass(frozen=True, kw_only=True)
class UnreportedTransition(GrantChange):
    """A transition that no alert has reported yet.

    Args:
        incident_alert_id: the alert about the incident under which the mailbox was flagged, if any.
    """

    event_id: int
    mailbox_id: int
    is_down: bool
    incident_alert_id: int | None


@dataclass(kw_only=True)
class AlertSelection:
    """Unreported transitions, by what happens to them."""

    down: list[UnreportedTransition] = field(default_factory=list)
    up: list[UnreportedTransition] = field(default_factory=list)
    already_reported: list[UnreportedTransition] = field(default_factory=list)
    """Reported by the alert of an incident."""
    dropped: list[UnreportedTransition] = field(default_factory=list)
    """Not reported: undone or superseded before an alert was written."""


def select_news(items: Iterable[UnreportedTransition], *, known_down: Collection[int]) -> AlertSelection:
    """Select the transitions to report; of each mailbox, at most the last one.

    Args:
        items: the unreported transitions, oldest first.
        known_down: the mailboxes whose last reported transition was that they need a person.
    """
    selection = AlertSelection()
    last: dict[int, UnreportedTransition] = {}
    for item in items:
        if item.mailbox_id in last:
            selection.dropped.append(last[item.mailbox_id])
        last[item.mailbox_id] = item
    for item in last.values():
        if item.is_down and item.incident_alert_id is None and item.mailbox_id in known_down:
            selection.dropped.append(item)  # it never ended: its recovery was not reported either
        elif item.is_down:
            (selection.down if item.incident_alert_id is None else selection.already_reported).append(item)
        else:
            (selection.up if item.mailbox_id in known_down else selection.dropped).append(item)
    return selection


def compose_alerts(engine: sa.Engine, audiences: Collection[str] = ()) -> list[int]:
    """Store alerts about everything that is unreported, in one transaction; return their ids, oldest first.

    Args:
        audiences: get alerts about their own mailboxes in addition; their ids are not returned.
    """
    with write_transaction(engine) as connection:
        _acquire_lock(connection)
        made = _write_incident_alerts(connection)
        items = _load_unreported(connection)
        selection = select_news(items, known_down=_load_reported_down(connection, items))
        if selection.down or selection.up:
            changes = [*selection.down, *selection.up]
            alert_id = store_alert(connection, AlertKind.CHANGES, changes, _render_changes, audiences)
            _assign_alert(connection, alert_id, [*selection.down, *selection.up])
            made.append(alert_id)
        for incident_alert_id in {item.incident_alert_id for item in selection.already_reported}:
            _assign_alert(
                connection,
                incident_alert_id,
                [item for item in selection.already_reported if item.incident_alert_id == incident_alert_id],
            )
        connection.execute(sa.delete(AlertItem).where(_match_items(selection.dropped)))
    return made


def _render_changes(changes: Sequence[UnreportedTransition]) -> AlertMessage:
    return text.render_changes(
        [item for item in changes if item.is_down], [item for item in changes if not item.is_down]
    )


def write_digest(connection: sa.Connection, report: AuditReport, key: str) -> int | None:
    """Store the alert with an audit's report in the caller's transaction; return its id, or None if it exists already.

    Args:
        key: identifies the audit; it ends the body, and an existing alert is found by it.
    """
    _acquire_lock(connection)
    message = text.render_digest(report, key=key)
    query = sa.select(Alert.id).where(
        Alert.kind == AlertKind.DIGEST, Alert.body.endswith(text.render_footer(key), autoescape=True)
    )
    if connection.scalar(query.limit(1)) is not None:
        return None
    return insert_alert(connection, AlertKind.DIGEST, message)


@dataclass(frozen=True, kw_only=True)
class StoredAlert:
    """A stored alert.

    Args:
        is_problem: whether it reports a new or open problem, not only the end of one.
    """

    title: str
    body: str
    is_problem: bool


def read_alerts(engine: sa.Engine, alert_ids: Collection[int]) -> list[StoredAlert]:
    """Return alerts in the order in which they were stored."""
    went_down = (
        sa.select(AlertItem.event_id)
        .join(GrantEvent, GrantEvent.id == AlertItem.event_id)
        .where(AlertItem.alert_id == Alert.id, GrantEvent.to_state.in_(FLAGGED_STATES))
    )
    slowed = sa.select(HealthEvent.id).where(HealthEvent.alert_id == Alert.id, HealthEvent.to_band.in_(LIMITED_BANDS))
    still_open = sa.select(Incident.id).where(Incident.opened_alert_id == Alert.id, Incident.closed_at.is_(None))
    not_working = sa.select(MailboxFailure.mailbox_id).where(
        MailboxFailure.alert_id == Alert.id, MailboxFailure.ended_at.is_(None)
    )
    is_problem = sa.or_(went_down.exists(), still_open.exists(), slowed.exists(), not_working.exists())
    query = (
        sa.select(Alert.title, Alert.body, is_problem.label("is_problem"))
        .where(Alert.id == _any_of_ids(alert_ids))
        .order_by(Alert.id)
    )
    with read_transaction(engine) as connection:
        return [
            StoredAlert(title=row.title, body=row.body, is_problem=row.is_problem) for row in connection.execute(query)
        ]


def _acquire_lock(connection: sa.Connection) -> None:
    # A separate statement: the following ones see everything that the previous lock holder committed.
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))


def _write_incident_alerts(connection: sa.Connection) -> list[int]:
    unreported = sa.or_(
        Incident.opened_alert_id.is_(None), sa.and_(Incident.closed_at.is_not(None), Incident.closed_alert_id.is_(None))
    )
    rows = connection.execute(sa.select(Incident.__table__).where(unreported).order_by(Incident.id)).all()
    names = load_client_names(connection) if rows else {}
    made: list[int] = []
    for row in rows:
        with isolate_item(connection, f"The incident {row.id}"):
            made.append(_write_incident_alert(connection, row, names))
    return made


def _write_incident_alert(connection: sa.Connection, row: Any, names: Mapping[str, str]) -> int:
    incident = incident_text.IncidentView(
        kind=IncidentKind(row.kind), key=row.key, reason=row.reason, detail=row.detail,
        opened_at=row.opened_at, closed_at=row.closed_at,
        client=name_incident_client(row.kind, row.key, names),
        flagged=_list_flagged(connection, row.id) if row.closed_at else (),
    )  # fmt: skip
    opening_reported = row.opened_alert_id is not None
    message = (
        incident_text.render_closed(incident, opening_reported=opening_reported)
        if row.closed_at
        else incident_text.render_opened(incident)
    )
    alert_id = insert_alert(connection, AlertKind.INCIDENT, message)
    values = {} if opening_reported else {"opened_alert_id": alert_id}
    if row.closed_at:
        values["closed_alert_id"] = alert_id
    connection.execute(sa.update(Incident).where(Incident.id == row.id).values(values))
    return alert_id


def _list_flagged(connection: sa.Connection, incident_id: int) -> list[GrantChange]:
    """Return the mailboxes that were flagged under an incident and still need a person."""
    query = (
        sa.select(Mailbox.address, OAuthGrant.state_since, OAuthGrant.reason)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(
            OAuthGrant.state.in_(FLAGGED_STATES),
            Mailbox.id.in_(sa.select(AlertItem.mailbox_id).where(AlertItem.incident_id == incident_id)),
        )
    )
    return [
        GrantChange(address=address, at=since, reason=reason) for address, since, reason in connection.execute(query)
    ]


def _load_unreported(connection: sa.Connection) -> list[UnreportedTransition]:
    query = (
        sa.select(
            AlertItem.event_id, AlertItem.mailbox_id, Incident.opened_alert_id,
            Mailbox.address, GrantEvent.to_state, GrantEvent.reason, GrantEvent.at,
            sa.func.coalesce(OAuthGrant.refreshed_at > GrantEvent.at - interval(_RECENT_SECONDS),
            sa.false()).label("worked"),
        )
        .join(GrantEvent, GrantEvent.id == AlertItem.event_id)
        .join(Mailbox, Mailbox.id == AlertItem.mailbox_id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == AlertItem.mailbox_id)
        .outerjoin(Incident, Incident.id == AlertItem.incident_id)
        .where(AlertItem.alert_id.is_(None))
        .order_by(AlertItem.event_id)
    )  # fmt: skip
    return [
        UnreportedTransition(
            event_id=row.event_id, mailbox_id=row.mailbox_id, address=row.address, at=row.at, reason=row.reason,
            is_down=row.to_state in FLAGGED_STATES, incident_alert_id=row.opened_alert_id,
            worked_recently=row.worked,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _load_reported_down(connection: sa.Connection, items: Collection[UnreportedTransition]) -> set[int]:
    last_reported = (
        sa.select(sa.func.max(AlertItem.event_id))
        .where(AlertItem.alert_id.is_not(None), AlertItem.mailbox_id == _any_of_ids(item.mailbox_id for item in items))
        .group_by(AlertItem.mailbox_id)
    )
    query = sa.select(GrantEvent.mailbox_id).where(
        GrantEvent.id.in_(last_reported), GrantEvent.to_state.in_(FLAGGED_STATES)
    )
    return set(connection.scalars(query))


def _assign_alert(connection: sa.Connection, alert_id: int | None, items: Collection[UnreportedTransition]) -> None:
    connection.execute(sa.update(AlertItem).where(_match_items(items)).values(alert_id=alert_id))


def _match_items(items: Collection[UnreportedTransition]) -> sa.ColumnElement[bool]:
    return AlertItem.event_id == _any_of_ids(item.event_id for item in items)


def _any_of_ids(ids: Iterable[int]) -> sa.ColumnElement[Any]:
    # One array parameter: thousands of bound values are slow to plan.
    return sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger)))

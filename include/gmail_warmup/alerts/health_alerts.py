"""Alerts about health: one message for all mailboxes that were slowed, stopped or came back since the last one.

Nobody is told of watch and back to healthy: nothing changes for the mailbox. What was over before anybody heard of it
is told as it stands now, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gmail_warmup.alerts.text import AlertMessage, format_count, join_addresses, render_body
from gmail_warmup.core.enums import LIMITED_BANDS, HealthBand
from gmail_warmup.db.models import Alert, AlertKind, HealthEvent, Mailbox
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

_HEADINGS = {
    HealthBand.BLOCKED: "stopped until a person has looked at",
    HealthBand.PAUSED: "paused by their health",
    HealthBand.THROTTLED: "slowed",
    HealthBand.WATCH: "back to their full volume",
    HealthBand.HEALTHY: "back to their full volume",
}


def compose_health_alert(engine: sa.Engine) -> list[int]:
    """Write the alert about everything that is untold, in one transaction; return its id, or nothing."""
    with engine.begin() as connection:
        events = _select_unreported(connection)
        if not events:
            return []
        last = {event.mailbox_id: event for event in events}
        message = format_health_alert(list(last.values()))
        added = sa.insert(Alert).values(kind=AlertKind.HEALTH, title=message.title, body=message.body)
        alert_id = int(connection.execute(added.returning(Alert.id)).scalar_one())
        told = sa.update(HealthEvent).where(HealthEvent.id.in_([event.id for event in events]))
        connection.execute(told.values(alert_id=alert_id))
    return [alert_id]


def _select_unreported(connection: sa.Connection) -> Sequence[Any]:
    query = (
        sa.select(HealthEvent.id, HealthEvent.mailbox_id, HealthEvent.to_band, HealthEvent.reason, Mailbox.address)
        .join(Mailbox, Mailbox.id == HealthEvent.mailbox_id)
        .where(HealthEvent.alert_id.is_(None), HealthEvent.is_alertable)
        .order_by(HealthEvent.id)
        # Two who compose at once share the events, and tell none twice.
        .with_for_update(of=HealthEvent, skip_locked=True)
    )
    return connection.execute(query).all()


def format_health_alert(events: Sequence[Any]) -> AlertMessage:
    """Word what happened to mailboxes: rows with address, to_band and reason, the last one of each mailbox."""
    ill = [event for event in events if event.to_band in LIMITED_BANDS and event.reason != "requalified"]
    lines: list[str] = []
    for (band, reason), group in _group_by_cause(events):
        words = WARMUP_REASONS[reason]
        heading = "coming back" if reason == "requalified" else _HEADINGS[HealthBand(band)]
        lines += ["", f"{format_count(len(group), 'mailbox', 'mailboxes')} {heading}: {words.message}"]
        lines += [f"To do: {words.remedy}"] if words.remedy and not words.remedy.startswith("Nothing") else []
        lines.append(f"- {join_addresses(event.address for event in group)}")
    title = f"{format_count(len(ill), 'warmup mailbox fares', 'warmup mailboxes fare')} badly"
    if not ill:
        title = f"{format_count(len(events), 'warmup mailbox fares', 'warmup mailboxes fare')} better"
    return AlertMessage(title=title, body=render_body(lines[1:]))


def _group_by_cause(events: Sequence[Any]) -> list[tuple[tuple[str, str], list[Any]]]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for event in events:
        groups.setdefault((event.to_band, event.reason), []).append(event)
    severity = list(_HEADINGS)
    return sorted(groups.items(), key=lambda group: (severity.index(HealthBand(group[0][0])), group[0][1]))

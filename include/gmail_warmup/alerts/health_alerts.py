"""Compose one alert for all mailboxes that were throttled, stopped or recovered since the last alert.

A move between "watch" and "healthy" is not reported, because it changes nothing for the mailbox. Of several unreported
changes of one mailbox, only the last one is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from gmail_warmup.alerts.audience import store_alert
from gmail_warmup.alerts.text import AlertMessage, join_addresses, render_body
from gmail_warmup.core.enums import LIMITED_BANDS, HealthBand
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import AlertKind, HealthEvent, Mailbox
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

_HEADINGS: dict[str, str] = {
    HealthBand.BLOCKED: "blocked, needs a person",
    HealthBand.PAUSED: "paused",
    HealthBand.THROTTLED: "at reduced volume",
    HealthBand.WATCH: "at full volume again",
    HealthBand.HEALTHY: "at full volume again",
}


def compose_health_alert(engine: sa.Engine, audiences: Collection[str] = ()) -> list[int]:
    """Store one alert with all unreported health events, in one transaction; and one for each audience.

    Returns:
        The id of the alert, or an empty list if there is nothing to report.
    """
    with write_transaction(engine) as connection:
        events = _select_unreported(connection)
        if not events:
            return []
        last = {event.mailbox_id: event for event in events}
        alert_id = store_alert(connection, AlertKind.HEALTH, list(last.values()), format_health_alert, audiences)
        reported = sa.update(HealthEvent).where(HealthEvent.id.in_([event.id for event in events]))
        connection.execute(reported.values(alert_id=alert_id))
    return [alert_id]


def _select_unreported(connection: sa.Connection) -> Sequence[Any]:
    query = (
        sa.select(HealthEvent.id, HealthEvent.mailbox_id, HealthEvent.to_band, HealthEvent.reason, Mailbox.address)
        .join(Mailbox, Mailbox.id == HealthEvent.mailbox_id)
        .where(HealthEvent.alert_id.is_(None), HealthEvent.is_alertable)
        .order_by(HealthEvent.id)
        # Concurrent composers get different events, so that none is reported twice.
        .with_for_update(of=HealthEvent, skip_locked=True)
    )
    return connection.execute(query).all()


def format_health_alert(events: Sequence[Any]) -> AlertMessage:
    """Return the alert for health events.

    Args:
        events: rows with address, to_band and reason; the last one of each mailbox.
    """
    worse = [event for event in events if event.to_band in LIMITED_BANDS and event.reason != "requalified"]
    lines: list[str] = []
    for (band, reason), group in _group_by_cause(events):
        cause = WARMUP_REASONS.look_up(reason, "recovered")
        heading = "re-qualifying" if reason == "requalified" else _HEADINGS.get(band, f"in the unknown band {band}")
        lines += ["", f"{pluralize(len(group), 'mailbox')} {heading}: {cause.message}"]
        if cause.remedy and not cause.remedy.startswith(("No action", "Nothing")):
            lines.append(f"To do: {cause.remedy}")
        lines.append(f"- {join_addresses(event.address for event in group)}")
    if worse:
        title = f"{pluralize(len(worse), 'warmup mailbox has', 'warmup mailboxes have')} deliverability problems"
    else:
        title = f"{pluralize(len(events), 'warmup mailbox')} recovered"
    return AlertMessage(title=title, body=render_body(lines[1:]))


def _group_by_cause(events: Sequence[Any]) -> list[tuple[tuple[str, str], list[Any]]]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for event in events:
        groups.setdefault((event.to_band, event.reason), []).append(event)
    return sorted(groups.items(), key=lambda group: (_rank_band(group[0][0]), group[0][1]))


def _rank_band(band: str) -> int:
    """Return the position of a band in an alert; one that this version does not know comes last."""
    known: list[str] = list(_HEADINGS)
    return known.index(band) if band in known else len(known)

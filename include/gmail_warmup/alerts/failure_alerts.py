"""Compose one alert for all mailboxes that do not work, and for those that work again, since the last alert."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from gmail_warmup.alerts.audience import store_alert
from gmail_warmup.alerts.text import (
    AlertMessage,
    format_time,
    group_by_key,
    join_addresses,
    render_body,
)
from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import AlertKind, Mailbox, MailboxFailure, OAuthGrant
from gmail_warmup.warmup.health.failures import IS_NOT_WORKING, update_outage

_F = MailboxFailure
_REMEDY = (
    "To do: read the log of its last failed task. If it does not end automatically, sign in with the mailbox again, or "
    "pause it."
)


def record_outage(engine: sa.Engine) -> None:
    """Open or close the incident of an outage in which most mailboxes fail, before alerts are composed."""
    with write_transaction(engine) as connection:
        update_outage(connection)


def compose_failure_alert(engine: sa.Engine, audiences: Collection[str] = ()) -> list[int]:
    """Store one alert about the mailboxes that began, or ceased, not to work, and one for each audience.

    Returns:
        The id of the alert, or an empty list if there is nothing to report.
    """
    with write_transaction(engine) as connection:
        _remove_flagged(connection)
        down = _select_rows(connection, _F.alert_id.is_(None), IS_NOT_WORKING)
        up = _select_rows(connection, _F.alert_id.is_not(None), _F.ended_at.is_not(None))
        if not down and not up:
            return []
        alert_id = store_alert(connection, AlertKind.NOT_WORKING, [*down, *up], _render, audiences)
        reported = sa.update(_F).where(_F.mailbox_id.in_([row.mailbox_id for row in down]))
        connection.execute(reported.values(alert_id=alert_id))
        connection.execute(sa.delete(_F).where(_F.mailbox_id.in_([row.mailbox_id for row in up])))
    return [alert_id]


def _render(rows: Sequence[Any]) -> AlertMessage:
    return format_failure_alert([row for row in rows if not row.ended_at], [row for row in rows if row.ended_at])


def _remove_flagged(connection: sa.Connection) -> None:
    """Remove the failures of flagged mailboxes: the state of the grant says more, and has alerts of its own."""
    flagged = sa.select(OAuthGrant.mailbox_id).where(OAuthGrant.state.in_(FLAGGED_STATES))
    connection.execute(sa.delete(_F).where(_F.mailbox_id.in_(flagged)))


def _select_rows(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Sequence[Any]:
    query = (
        sa.select(_F.mailbox_id, _F.since, _F.reason, _F.detail, _F.ended_at, Mailbox.address)
        .join(Mailbox, Mailbox.id == _F.mailbox_id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == _F.mailbox_id)
        .where(*conditions)
        .order_by(Mailbox.address)
        # Concurrent composers get different rows, so that none is reported twice.
        .with_for_update(of=_F, skip_locked=True)
    )
    return connection.execute(query).all()


def format_failure_alert(down: Sequence[Any], up: Sequence[Any]) -> AlertMessage:
    """Return the alert about mailboxes that do not work (``down``), or work again (``up``), grouped by the last cause.

    Args:
        down: rows with address, since, reason and detail.
        up: rows with address.
    """
    lines: list[str] = []
    for cause, group in group_by_key(down, lambda row: f"{row.detail} [{row.reason}]"):
        since = format_time(min(row.since for row in group))
        lines += ["", f"{pluralize(len(group), 'mailbox')} not working since {since}: {cause}", _REMEDY]
        lines.append(f"- {join_addresses(row.address for row in group)}")
    if up:
        lines += ["", f"{pluralize(len(up), 'mailbox works', 'mailboxes work')} again:"]
        lines.append(f"- {join_addresses(row.address for row in up)}")
    return AlertMessage(title=_build_title(len(down), len(up)), body=render_body(lines[1:]))


def _build_title(down: int, up: int) -> str:
    if not down:
        return f"{pluralize(up, 'Gmail mailbox works', 'Gmail mailboxes work')} again"
    title = pluralize(down, "Gmail mailbox does not work", "Gmail mailboxes do not work")
    return f"{title}, {up} work again" if up else title

"""History of one mailbox's grant, for its page and the API."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import GRANT_EVENT_TEXTS
from gmail_warmup.db.models import GrantEvent, GrantState
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth.reasons import REASONS

EVENTS_PER_PAGE = 10


class Event(BaseModel):
    """One transition of the grant."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    at: dt.datetime
    actor: str = Field(description="Who or what caused the transition.")
    from_state: GrantState | None
    to_state: GrantState
    reason: str | None = Field(description="Reason code.")
    sentence: str = Field(description="The reason as a sentence.")
    dag_id: str | None
    run_id: str | None = Field(description="The DAG run that caused the transition, if any.")


class Events(BaseModel):
    """Transitions, newest first."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    history: list[Event]
    next_before: int | None = Field(description="Pass it as `before` to get older ones; null if there are none.")


def load_events(connection: sa.Connection, record: MailboxRecord, *, before: int | None = None) -> Events:
    """Return one page of transitions, newest first; with ``before``, those older than that id."""
    E = GrantEvent
    query = sa.select(E).where(E.mailbox_id == record.id)
    if before is not None:
        at = connection.scalar(sa.select(E.at).where(E.id == before, E.mailbox_id == record.id))
        # An unknown id returns an empty page.
        query = query.where(sa.false() if at is None else sa.tuple_(E.at, E.id) < sa.tuple_(at, before))
    query = query.order_by(E.at.desc(), E.id.desc()).limit(EVENTS_PER_PAGE + 1)
    events = convert_rows(connection.execute(query), _build_event, table=E.__tablename__)
    return Events(
        history=events[:EVENTS_PER_PAGE],
        next_before=events[EVENTS_PER_PAGE - 1].id if len(events) > EVENTS_PER_PAGE else None,
    )


def _build_event(row: sa.Row[Any]) -> Event:
    reason = REASONS.get(row.reason or "")
    sentence = reason.message if reason else GRANT_EVENT_TEXTS.get(row.reason or "", "")
    return Event.model_validate(dict(row._mapping) | {"sentence": sentence})

"""The message of an event: its id, and its payload as JSON."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import WebhookType
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox, WebhookEvent

_E = WebhookEvent
_ADDRESS = sa.func.coalesce(Mailbox.address, _E.address).label("current_address")
_SELECT_EVENT = (sa.select(*_E.__table__.columns, _ADDRESS).outerjoin(Mailbox, Mailbox.id == _E.mailbox_id)).where(
    _E.id == sa.bindparam("event_id")
)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent to a receiver.

    Attributes:
        id: the same for every attempt and receiver.
        body: the JSON text that is signed.
    """

    id: str
    body: str


def load_message(engine: sa.Engine, event_id: int) -> Message:
    """Return the message of an event, with the present address of its mailbox."""
    with read_transaction(engine) as connection:
        return build_message(connection.execute(_SELECT_EVENT, {"event_id": event_id}).one())


def build_message(event: Any) -> Message:
    """Return the message of a row with the columns of the event and ``current_address``."""
    data = {
        "address": event.current_address,
        "mailbox_id": event.mailbox_id,
        "previous_state": event.previous_state,
        "state": event.state,
        "reason": event.reason,
    }
    more = event.detail if isinstance(event.detail, dict) else {}
    body = _to_json(event.type, event.at, data | more)
    return Message(id=event.message_id, body=body)


def generate_message_id() -> str:
    """Return a new id, of the form that the trigger generates."""
    return f"msg_{uuid.uuid4().hex}"


def build_test_message() -> Message:
    """Return the message of a test that belongs to no stored event."""
    data = dict.fromkeys(("address", "mailbox_id", "previous_state", "state")) | {"reason": "test"}
    return Message(id=generate_message_id(), body=_to_json(WebhookType.TEST, datetime.now(UTC), data))


def _to_json(event_type: str, at: datetime, data: dict[str, Any]) -> str:
    moment = format_timestamp(at)
    payload = {"type": event_type, "timestamp": moment, "data": data | {"at": moment}}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def format_timestamp(moment: datetime) -> str:
    """Return a time in UTC as ISO 8601."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

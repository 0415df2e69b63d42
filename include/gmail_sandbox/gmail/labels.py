"""Handlers of users.labels."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.gmail.call import Call
from gmail_sandbox.gmail.errors import conflict, invalid_argument, not_found
from gmail_sandbox.mailbox import SYSTEM_LABELS
from gmail_sandbox.records import Label


def _resource(label: Label) -> dict[str, Any]:
    result: dict[str, Any] = {"id": label.id, "name": label.name, "type": label.type}
    if label.type == "user":
        result["messageListVisibility"] = label.message_list_visibility
        result["labelListVisibility"] = label.label_list_visibility
    if label.color is not None:
        result["color"] = label.color
    return result


def _label(call: Call) -> Label:
    label = call.box.label(call.path["id"])
    if label is None:
        raise not_found()
    return label


def _user_label(call: Call) -> Label:
    label = _label(call)
    if label.type == "system":
        raise invalid_argument(f"Invalid label: {label.id}")
    return label


def _set(call: Call, label: Label | None) -> Label:
    """Validate the label in the request and store it in `label`, or in a new label."""
    body = call.body
    name = str(body.get("name", label.name if label is not None else "")).strip()
    if not name:
        raise invalid_argument("Invalid label name")
    other_names = {other.name.lower() for other in call.box.labels.values() if other is not label}
    if name.lower() in other_names or name.upper() in SYSTEM_LABELS:
        raise conflict("Label name exists or conflicts")
    for key, allowed in (
        ("messageListVisibility", {"show", "hide"}),
        ("labelListVisibility", {"labelShow", "labelShowIfUnread", "labelHide"}),
    ):
        if key in body and body[key] not in allowed:
            raise invalid_argument(f"Invalid value at 'label.{key}'")
    label = label or call.box.make_label(name)
    label.name = name
    label.message_list_visibility = body.get("messageListVisibility", label.message_list_visibility)
    label.label_list_visibility = body.get("labelListVisibility", label.label_list_visibility)
    color = body.get("color", label.color)
    label.color = {str(key): str(value) for key, value in color.items()} if isinstance(color, dict) else None
    return label


def list_labels(call: Call) -> dict[str, Any]:
    """List all labels, without counts."""
    return {"labels": [_resource(label) for label in call.box.all_labels()]}


def get(call: Call) -> dict[str, Any]:
    """Return a label with its counts."""
    label = _label(call)
    messages = [message for message in call.box.messages.values() if label.id in message.labels]
    unread = [message for message in messages if "UNREAD" in message.labels]
    return _resource(label) | {
        "messagesTotal": len(messages),
        "messagesUnread": len(unread),
        "threadsTotal": len({message.thread_id for message in messages}),
        "threadsUnread": len({message.thread_id for message in unread}),
    }


def create(call: Call) -> dict[str, Any]:
    """Create a user label."""
    return _resource(_set(call, None))


def patch(call: Call) -> dict[str, Any]:
    """Change a user label."""
    return _resource(_set(call, _user_label(call)))


def delete(call: Call) -> None:
    """Delete a user label and remove it from all messages."""
    call.box.drop_label(_user_label(call).id, call.now)

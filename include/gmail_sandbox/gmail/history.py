"""Handlers of users.history."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.gmail.call import Call
from gmail_sandbox.gmail.errors import invalid_argument, not_found
from gmail_sandbox.records import HistoryEntry

_KEYS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


def _resource(entry: HistoryEntry) -> dict[str, Any]:
    message = {"id": entry.message_id, "threadId": entry.thread_id}
    row: dict[str, Any] = {"message": message | {"labelIds": list(entry.labels_after)}}
    if entry.changed:
        row["labelIds"] = list(entry.changed)
    return {"id": str(entry.id), "messages": [message], _KEYS[entry.kind]: [row]}


def list_history(call: Call) -> dict[str, Any]:
    """List the changes after startHistoryId, oldest first; raise a 404 if that id is too old."""
    box, start, token = call.box, call.text("startHistoryId"), call.text("pageToken")
    if not start.isdigit() or (token and not token.isdigit()):
        raise invalid_argument("Missing or invalid startHistoryId")
    box.forget_history(call.now)
    if not box.oldest_history_id <= int(start) <= box.history_id:
        raise not_found()
    kinds, label_id = set(call.texts("historyTypes")), call.text("labelId")
    after, size = int(token or start), call.page_size()
    found = [
        entry
        for entry in box.history_after(after)
        if (not kinds or entry.kind in kinds)
        and (not label_id or label_id in entry.labels_after or label_id in entry.changed)
    ]
    result: dict[str, Any] = {"historyId": str(box.history_id)}
    if found:
        result["history"] = [_resource(entry) for entry in found[:size]]
    if len(found) > size:
        result["nextPageToken"] = str(found[size - 1].id)
    return result

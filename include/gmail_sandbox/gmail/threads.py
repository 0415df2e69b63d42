"""Handlers of users.threads."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.gmail.call import Call, resource, with_labels
from gmail_sandbox.gmail.errors import not_found
from gmail_sandbox.gmail.lists import matching, page
from gmail_sandbox.records import Message


def _thread(call: Call) -> list[Message]:
    thread = call.box.thread(call.path["id"])
    if not thread:
        raise not_found()
    return thread


def _head(thread: list[Message]) -> dict[str, Any]:
    newest_change = max(message.history_id for message in thread)
    return {"id": thread[0].thread_id, "historyId": str(newest_change)}


def get(call: Call) -> dict[str, Any]:
    """Return a thread with its messages, oldest first."""
    thread, form, headers = _thread(call), call.form(), call.texts("metadataHeaders")
    return _head(thread) | {"messages": [resource(message, form, headers) for message in thread]}


def list_threads(call: Call) -> dict[str, Any]:
    """List the threads with a matching message, ordered by their newest matching message."""
    newest: dict[str, Message] = {}
    for message in matching(call, label_ids=call.texts("labelIds")):
        newest.setdefault(message.thread_id, message)
    shown, token = page(call, list(newest.values()), lambda message: message.order)
    result: dict[str, Any] = {"resultSizeEstimate": len(newest)}
    if shown:
        result["threads"] = [
            _head(call.box.thread(message.thread_id)) | {"snippet": message.content.snippet} for message in shown
        ]
    if token is not None:
        result["nextPageToken"] = token
    return result


def _changed(call: Call, add: set[str], remove: set[str]) -> dict[str, Any]:
    thread = _thread(call)
    for message in thread:
        call.box.change(message, add, remove, call.now)
    return {"id": thread[0].thread_id, "messages": [with_labels(message) for message in thread]}


def modify(call: Call) -> dict[str, Any]:
    """Change the labels of all messages of a thread."""
    add, remove = call.label_change()
    return _changed(call, add, remove)


def trash(call: Call) -> dict[str, Any]:
    """Move a thread to the trash."""
    return _changed(call, {"TRASH"}, set())


def untrash(call: Call) -> dict[str, Any]:
    """Remove a thread from the trash."""
    return _changed(call, set(), {"TRASH"})

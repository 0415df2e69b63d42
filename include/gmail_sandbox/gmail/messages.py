"""Handlers of users.getProfile and users.messages."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.delivery import send as send_mail
from gmail_sandbox.gmail.call import Call, content_of, resource, short, with_labels
from gmail_sandbox.gmail.errors import not_found
from gmail_sandbox.gmail.lists import matching, page


def get_profile(call: Call) -> dict[str, Any]:
    """Return the mailbox's address, message counts and history id."""
    box = call.box
    return {
        "emailAddress": box.address,
        "messagesTotal": len(box.messages),
        "threadsTotal": len(box.thread_ids()),
        "historyId": str(box.history_id),
    }


def list_messages(call: Call) -> dict[str, Any]:
    """List message ids, newest first; without the key `messages` if there are no matches, as in Gmail."""
    found = matching(call, label_ids=call.texts("labelIds"))
    shown, token = page(call, found, lambda message: message.order)
    result: dict[str, Any] = {"resultSizeEstimate": len(found)}
    if shown:
        result["messages"] = [short(message) for message in shown]
    if token is not None:
        result["nextPageToken"] = token
    return result


def get(call: Call) -> dict[str, Any]:
    """Return one message."""
    return resource(call.message(), call.form(), call.texts("metadataHeaders"))


def asked_thread(call: Call, message: object) -> str | None:
    """Return the requested threadId, or None; raise a 404 if the mailbox has no such thread."""
    thread_id = message.get("threadId") if isinstance(message, dict) else None
    if thread_id and not call.box.thread(str(thread_id)):
        raise not_found()
    return str(thread_id) if thread_id else None


def send(call: Call) -> dict[str, Any]:
    """Send a mail."""
    thread_id = asked_thread(call, call.body)
    sent = send_mail(call.world, call.box, content_of(call.body), "messages.send", asked_thread=thread_id)
    return with_labels(sent)


def modify(call: Call) -> dict[str, Any]:
    """Change the labels of one message."""
    message = call.message()
    add, remove = call.label_change()
    call.box.change(message, add, remove, call.now)
    return with_labels(message)


def batch_modify(call: Call) -> None:
    """Change the labels of many messages; ids of deleted messages are ignored."""
    add, remove = call.label_change()
    for message_id in call.ids():
        message = call.box.messages.get(message_id)
        if message is not None:
            call.box.change(message, add, remove, call.now)


def trash(call: Call) -> dict[str, Any]:
    """Move a message to the trash."""
    message = call.message()
    call.box.change(message, {"TRASH"}, (), call.now)
    return with_labels(message)


def untrash(call: Call) -> dict[str, Any]:
    """Remove a message from the trash; it is then only in All Mail."""
    message = call.message()
    call.box.change(message, (), {"TRASH"}, call.now)
    return with_labels(message)


def delete(call: Call) -> None:
    """Delete a message permanently."""
    call.box.remove(call.message(), call.now)

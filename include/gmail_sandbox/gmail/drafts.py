"""Handlers of users.drafts."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.delivery import as_sent, put
from gmail_sandbox.delivery import send as send_mail
from gmail_sandbox.gmail.call import Call, content_of, resource, short, with_labels
from gmail_sandbox.gmail.errors import not_found
from gmail_sandbox.gmail.lists import matching, page
from gmail_sandbox.gmail.messages import asked_thread
from gmail_sandbox.records import Draft, Message


def _draft(call: Call, draft_id: object) -> Draft:
    draft = call.box.drafts.get(str(draft_id))
    if draft is None or draft.message.deleted:
        raise not_found()
    return draft


def _written(call: Call, thread_id: str | None) -> Message:
    content = content_of(call.body.get("message"))
    content = as_sent(call.world, call.box, content, draft=True)
    return put(call.world, call.box, content, {"DRAFT"}, asked_thread=thread_id)


def _answer(draft: Draft) -> dict[str, Any]:
    return {"id": draft.id, "message": with_labels(draft.message)}


def create(call: Call) -> dict[str, Any]:
    """Create a draft."""
    thread_id = asked_thread(call, call.body.get("message"))
    draft = Draft(f"r{7_000_000_000_000_000_000 + call.world.next_number()}", _written(call, thread_id), thread_id)
    call.box.drafts[draft.id] = draft
    return _answer(draft)


def update(call: Call) -> dict[str, Any]:
    """Replace a draft's message; the message id changes, the draft id does not."""
    draft = _draft(call, call.path["id"])
    thread_id = asked_thread(call, call.body.get("message")) or draft.asked_thread_id
    message = _written(call, thread_id)
    call.box.remove(draft.message, call.now)
    draft.message, draft.asked_thread_id = message, thread_id
    return _answer(draft)


def get(call: Call) -> dict[str, Any]:
    """Return one draft."""
    draft = _draft(call, call.path["id"])
    return {"id": draft.id, "message": resource(draft.message, call.form())}


def list_drafts(call: Call) -> dict[str, Any]:
    """List drafts, newest first."""
    by_message = {draft.message.id: draft for draft in call.box.drafts.values()}
    found = [by_message[message.id] for message in matching(call) if message.id in by_message]
    shown, token = page(call, found, lambda draft: draft.message.order)
    result: dict[str, Any] = {"resultSizeEstimate": len(found)}
    if shown:
        result["drafts"] = [{"id": draft.id, "message": short(draft.message)} for draft in shown]
    if token is not None:
        result["nextPageToken"] = token
    return result


def send(call: Call) -> dict[str, Any]:
    """Send a draft and delete it; sending it again returns 404."""
    draft = _draft(call, call.body.get("id"))
    replacement = call.body.get("message")
    has_new_content = isinstance(replacement, dict) and "raw" in replacement
    if has_new_content:
        content = content_of(replacement)
        sent = send_mail(call.world, call.box, content, "drafts.send", asked_thread=draft.asked_thread_id)
    else:
        thread_id = draft.message.thread_id  # the thread that was returned when the draft was created
        sent = send_mail(call.world, call.box, draft.message.content, "drafts.send", thread=thread_id)
    del call.box.drafts[draft.id]
    call.box.remove(draft.message, call.now)
    return with_labels(sent)


def delete(call: Call) -> None:
    """Delete a draft and its message."""
    draft = _draft(call, call.path["id"])
    del call.box.drafts[draft.id]
    call.box.remove(draft.message, call.now)

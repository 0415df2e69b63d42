"""Filtering, ordering and paging for messages, threads and drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from gmail_sandbox.gmail.call import Call
from gmail_sandbox.gmail.errors import GmailError, bad_request, error_body, invalid_argument
from gmail_sandbox.records import Message
from gmail_sandbox.search import BadQuery, parse

Item = TypeVar("Item")


def matching(call: Call, *, label_ids: Iterable[str] = ()) -> list[Message]:
    """Return the messages that match `q`, `labelIds` and `includeSpamTrash`, newest first."""
    text, required_labels = call.text("q"), set(label_ids)
    if text and call.only_metadata:
        raise GmailError(error_body(403, "Metadata scope does not support 'q' parameter", "forbidden"))
    for label_id in required_labels:
        if call.box.label(label_id) is None:
            raise invalid_argument(f"Invalid label: {label_id}")
    try:
        query = parse(text, call.box, call.now)
    except BadQuery as error:
        raise bad_request(str(error)) from None
    query.shows |= {"SPAM", "TRASH"} if call.flag("includeSpamTrash") else required_labels & {"SPAM", "TRASH"}
    return [
        message
        for message in call.box.newest_first(query.rfc_id)
        if required_labels <= message.labels and not query.hides(message) and query.matches(message)
    ]


def page(call: Call, items: list[Item], order: Callable[[Item], tuple[int, str]]) -> tuple[list[Item], str | None]:
    """Return one page of items sorted newest first, and the token of the next page or None.

    The token identifies the last item of the page instead of an offset, so that new mail does not shift pages.
    """
    token, size = call.text("pageToken"), call.page_size()
    if token:
        moment, _, item_id = token.partition("-")
        if not moment.isdigit() or not item_id:
            raise bad_request("Invalid pageToken", "invalidArgument")
        items = [item for item in items if order(item) < (int(moment), item_id)]
    shown = items[:size]
    if len(items) <= size:
        return shown, None
    last_moment, last_id = order(shown[-1])
    return shown, f"{last_moment}-{last_id}"

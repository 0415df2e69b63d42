"""A Gmail call as passed to its handler, and the message resources that handlers return."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from gmail_sandbox import mime
from gmail_sandbox.gmail.errors import GmailError, error_body, invalid_argument, not_found
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.mime import Content
from gmail_sandbox.records import Label, Message
from gmail_sandbox.state import World

METADATA_SCOPE = "https://www.googleapis.com/auth/gmail.metadata"
MAX_RESULTS = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A Gmail call that is authenticated, authorized and counted against the quota."""

    world: World
    box: Mailbox
    path: dict[str, str]
    query: dict[str, list[str]]
    body: dict[str, Any]
    scopes: frozenset[str]

    @property
    def now(self) -> float:
        """Return the sandbox's current time."""
        return self.world.clock.now()

    @property
    def only_metadata(self) -> bool:
        """Return whether the token's scope is limited to message metadata."""
        return METADATA_SCOPE in self.scopes and len([s for s in self.scopes if "gmail" in s or "mail." in s]) == 1

    def text(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.query.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        """Return a repeated query parameter."""
        return self.query.get(name, [])

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter."""
        return self.text(name).lower() == "true"

    def page_size(self) -> int:
        """Return maxResults: 100 by default, at most 500."""
        value = self.text("maxResults", "100")
        if not value.isdigit():
            raise invalid_argument(f"Invalid value at 'max_results' (TYPE_UINT32), \"{value}\"")
        return min(int(value), MAX_RESULTS) or 100

    def form(self) -> str:
        """Return the requested message format; raise a 403 if the token's scope does not allow it."""
        form = self.text("format", "full").lower()
        if form not in ("minimal", "full", "raw", "metadata"):
            raise invalid_argument(f"Invalid value at 'format', \"{form}\"")
        if self.only_metadata and form in ("full", "raw"):
            message = f"Metadata scope doesn't allow format {form.upper()}"
            raise GmailError(error_body(403, message, "forbidden"))
        return form

    def message(self) -> Message:
        """Return the message whose id is in the path."""
        message = self.box.messages.get(self.path["id"])
        if message is None:
            raise not_found()
        return message

    def label(self, label_id: str) -> Label:
        """Return a label that a client may add or remove."""
        label = self.box.label(label_id)
        if label is None or label_id in ("SENT", "DRAFT", "CHAT"):
            raise invalid_argument(f"Invalid label: {label_id}")
        return label

    def label_change(self) -> tuple[set[str], set[str]]:
        """Validate and return the labels to add and to remove."""
        add, remove = set(self._list("addLabelIds")), set(self._list("removeLabelIds"))
        if not add and not remove:
            raise invalid_argument("No label add or removes specified")
        for label_id in sorted(add | remove):
            self.label(label_id)
        if add & remove:
            raise invalid_argument("Cannot both add and remove the same label")
        return add, remove

    def ids(self) -> list[str]:
        """Validate and return the message ids of a batch."""
        ids = self._list("ids")
        if not ids:
            raise invalid_argument("No message ids specified")
        if len(ids) > 1000:
            raise invalid_argument("Too many message ids: at most 1000")
        return ids

    def _list(self, name: str) -> list[str]:
        value = self.body.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid_argument(f"Invalid value at '{name}'")
        return value


def content_of(message: object) -> Content:
    """Parse the mail in a request's `Message`."""
    raw = message.get("raw") if isinstance(message, dict) else None
    if not raw:
        raise invalid_argument("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    try:
        # Google accepts base64url with and without padding.
        unpadded = str(raw).rstrip("=")
        data = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed") from None
    return mime.read(data)


def short(message: Message) -> dict[str, Any]:
    """Return the ids of a message, as in list responses."""
    return {"id": message.id, "threadId": message.thread_id}


def with_labels(message: Message) -> dict[str, Any]:
    """Return the ids and labels of a message, as in responses to changes."""
    return short(message) | {"labelIds": sorted(message.labels)}


def resource(message: Message, form: str, metadata_headers: list[str] | None = None) -> dict[str, Any]:
    """Return a message resource in one of Gmail's four formats."""
    content = message.content
    result = with_labels(message) | {
        "snippet": content.snippet,
        "sizeEstimate": len(content.raw),
        "historyId": str(message.history_id),
        "internalDate": str(message.internal_date),
    }
    if form == "raw":
        result["raw"] = base64.urlsafe_b64encode(content.raw).decode()
    elif form == "metadata":
        result["payload"] = content.payload(metadata_headers or ())
    elif form == "full":
        result["payload"] = mime.payload(content.raw)
    return result

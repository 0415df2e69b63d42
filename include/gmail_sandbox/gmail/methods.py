"""Table of the Gmail API methods that the sandbox implements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gmail_sandbox.gmail import drafts, history, labels, messages, threads
from gmail_sandbox.gmail.call import METADATA_SCOPE, Call

_AUTH = "https://www.googleapis.com/auth/"
_FULL = frozenset({"https://mail.google.com/"})
_MODIFY = _FULL | {f"{_AUTH}gmail.modify"}
_READ = _MODIFY | {f"{_AUTH}gmail.readonly"}
_READ_META = _READ | {METADATA_SCOPE}
_COMPOSE = _MODIFY | {f"{_AUTH}gmail.compose"}
_LABELS = _MODIFY | {f"{_AUTH}gmail.labels"}

Handler = Callable[[Call], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Method:
    """A Gmail API method; `name` is Google's method id without `gmail.users.`."""

    name: str
    verb: str
    path: str
    scopes: frozenset[str]
    handler: Handler

    @property
    def id(self) -> str:
        """Return the method's id in Google's discovery document."""
        return f"gmail.users.{self.name}"


METHODS = (
    Method("getProfile", "GET", "profile", _READ_META | {f"{_AUTH}gmail.compose"}, messages.get_profile),
    Method("messages.list", "GET", "messages", _READ_META, messages.list_messages),
    Method("messages.send", "POST", "messages/send", _COMPOSE | {f"{_AUTH}gmail.send"}, messages.send),
    Method("messages.batchModify", "POST", "messages/batchModify", _MODIFY, messages.batch_modify),
    Method("messages.get", "GET", "messages/{id}", _READ_META, messages.get),
    Method("messages.delete", "DELETE", "messages/{id}", _FULL, messages.delete),
    Method("messages.modify", "POST", "messages/{id}/modify", _MODIFY, messages.modify),
    Method("messages.trash", "POST", "messages/{id}/trash", _MODIFY, messages.trash),
    Method("messages.untrash", "POST", "messages/{id}/untrash", _MODIFY, messages.untrash),
    Method("drafts.list", "GET", "drafts", _READ | {f"{_AUTH}gmail.compose"}, drafts.list_drafts),
    Method("drafts.create", "POST", "drafts", _COMPOSE, drafts.create),
    Method("drafts.send", "POST", "drafts/send", _COMPOSE, drafts.send),
    Method("drafts.get", "GET", "drafts/{id}", _READ | {f"{_AUTH}gmail.compose"}, drafts.get),
    Method("drafts.update", "PUT", "drafts/{id}", _COMPOSE, drafts.update),
    Method("drafts.delete", "DELETE", "drafts/{id}", _COMPOSE, drafts.delete),
    Method("labels.list", "GET", "labels", _READ_META | _LABELS, labels.list_labels),
    Method("labels.create", "POST", "labels", _LABELS, labels.create),
    Method("labels.get", "GET", "labels/{id}", _READ_META | _LABELS, labels.get),
    Method("labels.patch", "PATCH", "labels/{id}", _LABELS, labels.patch),
    Method("labels.update", "PUT", "labels/{id}", _LABELS, labels.patch),
    Method("labels.delete", "DELETE", "labels/{id}", _LABELS, labels.delete),
    Method("threads.list", "GET", "threads", _READ_META, threads.list_threads),
    Method("threads.get", "GET", "threads/{id}", _READ_META, threads.get),
    Method("threads.modify", "POST", "threads/{id}/modify", _MODIFY, threads.modify),
    Method("threads.trash", "POST", "threads/{id}/trash", _MODIFY, threads.trash),
    Method("threads.untrash", "POST", "threads/{id}/untrash", _MODIFY, threads.untrash),
    Method("history.list", "GET", "history", _READ_META, history.list_history),
)
METHOD_IDS = frozenset(method.id for method in METHODS)

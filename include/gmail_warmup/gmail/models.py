"""Records that the Gmail client returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The address of a mailbox and the current point of its history."""

    address: str
    history_id: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A draft; it can be sent once."""

    id: str
    thread_id: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message without its body. Header names are in lower case; of a repeated header the last value is used.

    Attributes:
        authentication_results: the values of all headers ``Authentication-Results``, the topmost first.
        size: bytes, as Gmail estimates them.
        history_id: the point of the mailbox's history at which the message last changed.
    """

    id: str
    thread_id: str
    labels: frozenset[str]
    headers: Mapping[str, str]
    size: int
    history_id: str
    authentication_results: tuple[str, ...] = ()

    @property
    def rfc_message_id(self) -> str:
        """Return the Message-ID that Gmail kept or assigned, with its angle brackets."""
        return self.headers.get("message-id", "")


@dataclass(frozen=True, kw_only=True)
class AddedMessage:
    """A message that was added to a mailbox, without headers and body."""

    id: str
    thread_id: str
    labels: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class HistoryChanges:
    """Messages added since a point of the mailbox's history, and the point at which the next request starts."""

    added: tuple[AddedMessage, ...]
    history_id: str


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file of a mail. A received name is what the sender wrote: never use it as a path."""

    filename: str
    content_type: str = "application/octet-stream"
    data: bytes

"""What the hook returns: plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Whose mailbox it is."""

    address: str
    history_id: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A draft; it can be sent once."""

    id: str
    thread_id: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message without its body. Header names are in lower case.

    Attributes:
        size: bytes, as Gmail estimates them.
        history_id: the mailbox's history when the message last changed.
    """

    id: str
    thread_id: str
    labels: frozenset[str]
    headers: Mapping[str, str]
    size: int
    history_id: str

    @property
    def rfc_message_id(self) -> str:
        """Return the Message-ID as Gmail kept or made it, with its angle brackets."""
        return self.headers.get("message-id", "")


@dataclass(frozen=True, kw_only=True)
class AddedMessage:
    """A message that came into a mailbox; nothing of it was read."""

    id: str
    thread_id: str
    labels: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class HistoryChanges:
    """What came into a mailbox since a point of its history, and the point from which to ask next."""

    added: tuple[AddedMessage, ...]
    history_id: str

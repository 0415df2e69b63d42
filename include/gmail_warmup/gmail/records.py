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
    """A message without its body. Header names are in lower case."""

    id: str
    thread_id: str
    labels: frozenset[str]
    headers: Mapping[str, str]

    @property
    def rfc_message_id(self) -> str:
        """Return the Message-ID as Gmail kept or made it, with its angle brackets."""
        return self.headers.get("message-id", "")

"""Records of the sandbox's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gmail_sandbox.mime import Content
from gmail_sandbox.responses import Json

Publishing = Literal["production", "testing", "internal"]
ClientRefusal = Literal["deleted_client", "disabled_client", "invalid_client", "unauthorized_client"]


@dataclass(slots=True)
class Client:
    """An OAuth client with its settings in the Google Cloud console."""

    client_id: str
    client_secrets: list[str] = field(default_factory=list)
    redirect_uris: list[str] = field(default_factory=list)
    publishing: Publishing = "production"
    require_pkce: bool = False
    test_users: list[str] | None = None
    user_limit: int | None = None
    org_domain: str | None = None
    refuse_with: ClientRefusal | None = None


@dataclass(slots=True)
class ServiceAccount:
    """A service account with its public key (PEM) and the scopes delegated to it, by Workspace domain."""

    email: str
    client_id: str
    public_key: str
    delegated: dict[str, frozenset[str]] = field(default_factory=dict)
    disabled: bool = False
    machine_may_sign: bool = False


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A user in the directory of a Workspace; `body` is the answer of the Directory API."""

    id: str
    address: str
    is_admin: bool
    is_deleted_after_page: bool
    body: dict[str, Json]


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A group in the directory of a Workspace, with the addresses of its members."""

    address: str
    members: list[str]


@dataclass(slots=True)
class LabelEvent:
    """A label change of a message; `added` of the first one contains its initial labels."""

    at: float
    added: list[str]
    removed: list[str]


@dataclass(slots=True)
class Message:
    """A mailbox's copy of a mail."""

    id: str
    thread_id: str
    content: Content
    labels: set[str]
    internal_date: int
    history_id: int = 0
    deleted: bool = False
    events: list[LabelEvent] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, str]:
        """Return the sort key of lists, ascending by time."""
        return self.internal_date, self.id


@dataclass(slots=True)
class Draft:
    """A draft of a message; it can be sent once."""

    id: str
    message: Message
    asked_thread_id: str | None = None


@dataclass(slots=True)
class Label:
    """A system or user label."""

    id: str
    name: str
    type: Literal["system", "user"] = "user"
    message_list_visibility: str = "show"
    label_list_visibility: str = "labelShow"
    color: dict[str, str] | None = None


HistoryKind = Literal["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A change of a mailbox, as history.list returns it."""

    id: int
    at: float
    kind: HistoryKind
    message_id: str
    thread_id: str
    labels_after: tuple[str, ...]
    changed: tuple[str, ...] = ()


@dataclass(slots=True)
class MailCopy:
    """A delivered copy of a mail and its placement."""

    mailbox: str
    placement: str
    message: Message


@dataclass(slots=True)
class MailRecord:
    """A mail that Gmail accepted for sending."""

    id: int
    sender: str
    recipients: list[str]
    sent_at: float
    method: str
    sent: Message
    copies: list[MailCopy] = field(default_factory=list)
    bounced: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A logged request to the token endpoint, without tokens."""

    id: int
    at: float
    grant_type: str
    address: str | None
    client_id: str
    status: int | None
    error: str | None
    live: bool | None


@dataclass(frozen=True, slots=True)
class GmailCall:
    """A Gmail call that passed all checks; `target` is the id in its path."""

    at: float
    address: str
    method: str
    target: str | None

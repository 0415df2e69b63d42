"""Response models of the control API's reports."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from gmail_sandbox.control.models import Model


class MailboxStatsOut(Model):
    """Counters of a mailbox."""

    calls: dict[str, int] = Field(description="Received Gmail calls by method.")
    answers: dict[str, int] = Field(description="Gmail responses by status; `cut`: no complete response.")
    units: int
    token_requests: int
    sent: int
    delivered_inbox: int = Field(description="Delivered to the inbox or one of its categories.")
    delivered_spam: int
    bounced: int
    in_flight: int
    max_in_flight: int


class StatsOut(Model):
    """Counters of the whole sandbox."""

    totals: MailboxStatsOut
    token_outcomes: dict[str, int] = Field(description="Token requests by error code; `ok`: no error.")
    consents: dict[str, int]
    unauthenticated_calls: int
    units_today: int
    mailboxes: dict[str, MailboxStatsOut]


class EventOut(Model):
    """A change of labels."""

    at: datetime
    added: list[str]
    removed: list[str]


class CopyOut(Model):
    """A recipient's copy of a mail."""

    mailbox: str
    message_id: str
    thread_id: str
    placement: str
    labels: list[str]
    deleted: bool
    events: list[EventOut]


class MailOut(Model):
    """A mail that Gmail accepted for sending."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: int
    sender: str = Field(alias="from")
    to: list[str]
    subject: str
    rfc_message_id: str
    message_id: str
    thread_id: str
    sent_at: datetime
    method: str
    headers: dict[str, str]
    copies: list[CopyOut]
    bounced: list[str]


class MailsOut(Model):
    """Mails after an id; pass `last_id` to read the next ones."""

    mails: list[MailOut]
    last_id: int


class TokenRequestOut(Model):
    """A request to the token endpoint, without tokens."""

    id: int
    at: datetime
    grant_type: str
    address: str | None
    client_id: str
    status: int | None
    error: str | None
    live: bool | None


class TokenRequestsOut(Model):
    """Token requests after an id; pass `last_id` to read the next ones."""

    requests: list[TokenRequestOut]
    last_id: int


class GmailCallOut(Model):
    """A Gmail call that passed all checks; `target` is the id in its path."""

    at: datetime
    address: str
    method: str
    target: str | None

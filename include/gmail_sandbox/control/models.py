"""Request and response models of the control API; unknown fields are rejected, so that typos are noticed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from gmail_sandbox.addresses import mailbox_address
from gmail_sandbox.bounce import LIMIT_NOTICES
from gmail_sandbox.fault_catalog import CAUSES, SCOPE_LOST
from gmail_sandbox.records import ClientRefusal, Publishing
from gmail_sandbox.settings import Chance

GMAIL_MODIFY = "https://www.googleapis.com/auth/gmail.modify"


def _cause(value: str) -> str:
    if value not in CAUSES and value != SCOPE_LOST:
        raise ValueError(f"unknown cause; known are {', '.join([*CAUSES, SCOPE_LOST])}")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("must be one line")
    return value


def _notice_language(value: str) -> str:
    if value not in LIMIT_NOTICES:
        raise ValueError(f"unknown language; known are {', '.join(LIMIT_NOTICES)}")
    return value


Address = Annotated[str, AfterValidator(mailbox_address)]
Lower = Annotated[str, AfterValidator(str.lower)]
OneLine = Annotated[str, AfterValidator(_one_line)]
NoticeLanguage = Annotated[str, AfterValidator(_notice_language)]
BounceForm = Literal["rfc3464", "rfc6533", "empty_status", "text"]
Cause = Annotated[str, AfterValidator(_cause)]


class Model(BaseModel):
    """Base of all models of the control API."""

    model_config = ConfigDict(extra="forbid")


class Count(Model):
    """The number of records that a request changed."""

    count: int


class Health(Model):
    """The sandbox is running."""

    status: Literal["ok"] = "ok"
    now: datetime
    mailboxes: int
    clients: int


class ClientIn(Model):
    """An OAuth client to create or replace."""

    client_id: str = Field(min_length=1)
    client_secrets: list[str] = Field(
        default_factory=list, description="Each of them is accepted; none: a public client."
    )
    redirect_uris: list[str] = Field(default_factory=list)
    publishing: Publishing = "production"
    require_pkce: bool = False
    test_users: list[Address] | None = Field(
        default=None, description="With `testing`: accounts that may consent; null: all."
    )
    user_limit: int | None = Field(
        default=None, ge=0, description="Number of accounts that may ever consent, as for an unverified app; null: any."
    )
    org_domain: Lower | None = Field(
        default=None, description="With `internal`: the domain whose accounts may consent."
    )
    refuse_with: ClientRefusal | None = None


class ClientState(Model):
    """The error with which the token endpoint refuses a client; null: it is accepted."""

    refuse_with: ClientRefusal | None


class ClientOut(Model):
    """An OAuth client, without its secrets."""

    client_id: str
    secrets: int
    redirect_uris: list[str]
    publishing: Publishing
    require_pkce: bool
    test_users: list[str] | None
    user_limit: int | None
    org_domain: str | None
    refuse_with: ClientRefusal | None


class MailboxIn(Model):
    """Settings of a mailbox; an omitted field keeps its value, or has its default in a new mailbox."""

    display_name: OneLine = ""
    spam_chance: Chance | None = Field(
        default=None, description="For incoming mail; null: the chance of the domain, or the global one."
    )
    sending_limit: int = Field(default=500, ge=0, description="Mails per rolling 24 hours.")
    refuses_with: str | None = Field(
        default=None,
        pattern=r"^[45]\.\d{1,3}\.\d{1,3}$",
        description="Incoming mail bounces with this status; 4.x.x reports a delay.",
    )
    bounce_form: BounceForm = Field(
        default="rfc3464", description="Form of the notifications about mail to this mailbox, or of its limit notices."
    )
    limit_notice: NoticeLanguage | None = Field(
        default=None,
        description="Mail that it sends is accepted and taken back by a notice of the sending limit in this language.",
    )
    vacation: OneLine = Field(default="", description="Text of the automatic reply to incoming mail.")


class RenameIn(Model):
    """The new primary address of an account."""

    new_address: Address


class NamedMailboxIn(MailboxIn):
    """A mailbox to create or change in bulk."""

    address: Address


class MailboxOut(Model):
    """A mailbox."""

    address: str
    display_name: str
    spam_chance: float | None
    sending_limit: int
    messages: int
    drafts: int
    history_id: str
    labels: dict[str, int] = Field(description="Messages by label id.")
    label_names: dict[str, str] = Field(description="Names of the user's labels by id.")


class DeliverIn(Model):
    """A mail from outside."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: OneLine = Field(alias="from")
    subject: OneLine = ""
    text: str = ""
    labels: list[str] = Field(default_factory=lambda: ["INBOX", "UNREAD"])
    headers: dict[str, OneLine] = Field(default_factory=dict)
    raw: str = Field(default="", description="The complete mail after its From header, instead of the other fields.")


class Delivered(Model):
    """Ids of the delivered mail."""

    message_id: str
    thread_id: str
    rfc_message_id: str


class GrantIn(Model):
    """A grant to create without the consent page."""

    address: Address
    client_id: str
    scopes: list[str] = Field(default_factory=lambda: [GMAIL_MODIFY], min_length=1)
    access_expired: bool = Field(default=False, description="The access token is already expired.")
    testing: bool = Field(default=False, description="The grant expires after seven days, as for a client in Testing.")
    expires_in_days: float | None = Field(default=None, description="Time-limited access; negative: already expired.")


class GrantsIn(Model):
    """Grants to create in bulk."""

    grants: list[GrantIn]


class GrantOut(Model):
    """A grant's tokens: with the keys of service accounts, the only secrets that the control API returns."""

    address: str
    client_id: str
    refresh_token: str
    access_token: str
    expires_at: datetime
    refresh_token_expires_at: datetime | None
    scope: str


class GrantsOut(Model):
    """The created grants, in the order of the request."""

    grants: list[GrantOut]


class Accounts(Model):
    """Selection of grants: a list of addresses, or all of a domain."""

    addresses: list[Address] | None = None
    domain: Lower | None = None
    client_id: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Accounts:
        if (self.addresses is None) == (self.domain is None):
            raise ValueError("give either addresses or domain")
        return self


class Revocation(Accounts):
    """Grants to revoke, and the cause that Google reports."""

    cause: Cause = "revoked"
    keep_access_tokens: bool = False


class ClockIn(Model):
    """A change of the clock: by an offset, or to a time."""

    advance_seconds: float | None = None
    now: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ClockIn:
        if (self.advance_seconds is None) == (self.now is None):
            raise ValueError("give either advance_seconds or now")
        return self


class ClockOut(Model):
    """The sandbox's time."""

    now: datetime
    offset_seconds: float

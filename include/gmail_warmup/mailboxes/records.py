"""Mailboxes as plain records, and the rules for what a person may enter."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gmail_warmup.db.models import GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.errors import InvalidInputError

_ADDRESS = re.compile(
    r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$"
)
CONSUMER_DOMAINS = ("gmail.com", "googlemail.com")
_zones = functools.cache(available_timezones)  # it walks through hundreds of files
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f<>\"\\]")


def normal_address(address: str) -> str:
    """Return an address as it is stored: trimmed and in lower case.

    Raises:
        InvalidInputError: if it is not a mail address.
    """
    normal = address.strip().lower()
    if not _ADDRESS.match(normal):
        raise InvalidInputError(
            f"'{address}' is not a mail address. Write it as name@domain, for example ada@example.com."
        )
    return normal


def same_mailbox(one: str, other: str) -> bool:
    """Tell whether two addresses name one Google mailbox.

    Consumer Gmail ignores dots in the local part and knows two names of its domain; a Workspace does neither.
    """
    return _canonical(one) == _canonical(other)


def is_consumer(address: str) -> bool:
    """Tell whether an address is one of consumer Gmail, and not of a Workspace."""
    return address.rpartition("@")[2].lower() in CONSUMER_DOMAINS


def _canonical(address: str) -> str:
    local, _, domain = address.strip().lower().rpartition("@")
    if domain in CONSUMER_DOMAINS:
        return local.replace(".", "") + "@gmail.com"
    return f"{local}@{domain}"


class MailboxSettings(BaseModel):
    """What a person chooses for a mailbox."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    kind: MailboxKind
    auth: MailboxAuth = MailboxAuth.GRANT
    daily_target: int = Field(50, ge=1, le=2000, description="Mails a day at the end of the ramp, 1-2000.")
    open_rate: int = Field(80, ge=0, le=100, description="Per cent of the warmup mails that are opened.")
    reply_rate: int = Field(55, ge=0, le=100, description="Per cent of the warmup mails that are answered.")
    timezone: str = Field("UTC", description="IANA name, for example Europe/Berlin.")
    display_name: str | None = Field(None, max_length=100, description="Name in the From header.")
    signature: str | None = Field(
        None, max_length=500, description="Plain text below its mails, up to 500 characters; the name if empty."
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in _zones():
            raise ValueError("is not an IANA time zone; write it like Europe/Berlin or America/New_York")
        return value

    @field_validator("display_name")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value and _NOT_PLAIN.search(value):
            raise ValueError('must not hold control characters, <, >, " or a backslash')
        return value or None

    @field_validator("signature")
    @classmethod
    def _plain_signature(cls, value: str | None) -> str | None:
        value = "\n".join((value or "").splitlines()).strip()
        if any(unicodedata.category(char) in ("Cc", "Cs") and char != "\n" for char in value):
            raise ValueError("must not hold control characters other than line breaks")
        return value or None


def parse_settings(values: dict[str, Any], *, address: str) -> MailboxSettings:
    """Check what a person entered for a mailbox.

    Raises:
        InvalidInputError: naming each field, its rule and what was given.
    """
    try:
        return MailboxSettings.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
            + (f" (given: {problem['input']!r})" if isinstance(problem["input"], str | int | float) else "")
            for problem in error.errors()
        ]
        raise InvalidInputError(f"{address}: " + "; ".join(problems)) from None


@dataclass(frozen=True, kw_only=True)
class MailboxRecord:
    """A mailbox and the state of its grant, without any secret. Times are aware."""

    id: int
    address: str
    kind: MailboxKind
    auth: MailboxAuth
    display_name: str | None
    signature: str | None
    daily_target: int
    open_rate: int
    reply_rate: int
    timezone: str
    label_id: str | None
    label_name: str | None
    created_at: datetime
    paused_at: datetime | None
    pause_reason: str | None
    resumed_at: datetime | None
    deferred_until: datetime | None
    deferred_reason: str | None
    band: HealthBand
    band_reason: str | None
    band_since: datetime | None
    health_from: date | None
    halved_on: date | None
    sent_lately: int | None
    sent_lately_at: datetime | None
    state: GrantState
    reason: str | None
    since: datetime
    next_probe_at: datetime | None
    granted_at: datetime | None
    refreshed_at: datetime | None
    refresh_expires_at: datetime | None
    access_expires_at: datetime | None

    @property
    def zone(self) -> ZoneInfo:
        """Return the mailbox's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def domain(self) -> str:
        """Return the part of the address behind the @."""
        return self.address.rpartition("@")[2]

    @property
    def works(self) -> bool:
        """Tell whether a task may use this mailbox: its grant lives and nobody paused it."""
        return self.state in (GrantState.ACTIVE, GrantState.SUSPECT) and self.paused_at is None

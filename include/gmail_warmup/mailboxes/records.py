"""Mailbox records, and the validation of the settings that a person enters."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from gmail_warmup.core.enums import CONSUMER_DOMAINS, GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.validation import describe_rule

_ADDRESS = re.compile(
    r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$"
)
_available_zones = functools.cache(available_timezones)  # reads hundreds of files
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f<>\"\\\ud800-\udfff]")
_MAX_SHOWN = 60
"""Maximum number of characters of an invalid value in an error message."""


def normalize_address(address: str) -> str:
    """Return an address in its stored form: trimmed and in lower case.

    Raises:
        InvalidInputError: if it is not an email address.
    """
    normal = address.strip().lower()
    if not _ADDRESS.match(normal):
        raise InvalidInputError(
            f"'{shorten_text(address)}' is not a mail address. Write it as name@domain, for example ada@example.com."
        )
    return normal


def is_same_mailbox(one: str, other: str) -> bool:
    """Return whether two addresses belong to the same Google mailbox.

    Consumer Gmail ignores dots in the local part and has two domain names; Google Workspace does neither.
    """
    return _canonicalize_address(one) == _canonicalize_address(other)


def is_consumer_address(address: str) -> bool:
    """Return whether an address belongs to consumer Gmail and not to a Google Workspace."""
    return address.rpartition("@")[2].lower() in CONSUMER_DOMAINS


def _canonicalize_address(address: str) -> str:
    local, _, domain = address.strip().lower().rpartition("@")
    if domain in CONSUMER_DOMAINS:
        return local.replace(".", "") + "@gmail.com"
    return f"{local}@{domain}"


def _require_known_zone(value: str) -> str:
    if value not in _available_zones():
        raise ValueError("is not an IANA time zone; write it like Europe/Berlin or America/New_York")
    return value


def _require_plain_name(value: str) -> str:
    if _FORBIDDEN_IN_NAME.search(value):
        raise ValueError('must not contain control characters, <, >, " or a backslash')
    return value


def _normalize_signature(value: str) -> str:
    value = "\n".join(value.splitlines()).strip()
    if any(unicodedata.category(char) in ("Cc", "Cs") and char != "\n" for char in value):
        raise ValueError("must not contain control characters other than line breaks")
    return value


DailyTarget = Annotated[int, Field(ge=1, le=2000, description="Mails per day at the end of the ramp, 1-2000.")]
OpenRate = Annotated[int, Field(ge=0, le=100, description="Per cent of the warmup mails that are opened.")]
ReplyRate = Annotated[int, Field(ge=0, le=100, description="Per cent of the warmup mails that are answered.")]
Zone = Annotated[str, AfterValidator(_require_known_zone), Field(description="IANA name, for example Europe/Berlin.")]
DisplayName = Annotated[
    str, Field(max_length=100, description="Name in the From header."), AfterValidator(_require_plain_name)
]
Signature = Annotated[
    str,
    Field(max_length=500, description="Plain text below its mails, up to 500 characters; the name if empty."),
    AfterValidator(_normalize_signature),
]


class MailboxSettings(BaseModel):
    """The settings of a mailbox that a person chooses."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    kind: MailboxKind
    auth: MailboxAuth = MailboxAuth.GRANT
    daily_target: DailyTarget = 50
    open_rate: OpenRate = 80
    reply_rate: ReplyRate = 55
    timezone: Zone = "UTC"
    display_name: DisplayName | None = None
    signature: Signature | None = None

    @field_validator("display_name", "signature")
    @classmethod
    def _empty_to_none(cls, value: str | None) -> str | None:
        return value or None


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """An invalid field; ``rule`` names the broken rule and the given value."""

    field: str
    rule: str


class WrongSettingsError(InvalidInputError):
    """The settings of a mailbox are invalid.

    Attributes:
        broken: the invalid fields.
    """

    def __init__(self, address: str, broken: Sequence[BrokenRule]) -> None:
        self.broken = tuple(broken)
        super().__init__(f"{address}: " + "; ".join(f"{item.field}: {item.rule}" for item in broken))


def validate_mailbox_settings(values: dict[str, Any], *, address: str) -> MailboxSettings:
    """Validate the settings that a person entered for a mailbox.

    Raises:
        WrongSettingsError: with each invalid field, its rule and the given value.
    """
    try:
        return MailboxSettings.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
    raise WrongSettingsError(address, [_to_broken_rule(problem) for problem in problems])


def _to_broken_rule(problem: Mapping[str, Any]) -> BrokenRule:
    name = ".".join(map(str, problem["loc"]))
    given = problem["input"]
    shown = f" (given: {shorten_text(repr(given))})" if isinstance(given, str | int | float) else ""
    return BrokenRule(field=name, rule=describe_rule(problem, MailboxSettings.model_fields.get(name)) + shown)


def shorten_text(text: str) -> str:
    """Return a text shortened for use in an error message."""
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


@dataclass(frozen=True, kw_only=True)
class MailboxRecord:
    """A mailbox and the state of its grant, without secrets. Times are aware."""

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
    health_window_start: date | None
    half_volume_on: date | None
    sent_24h: int | None
    sent_24h_at: datetime | None
    state: GrantState
    reason: str | None
    state_since: datetime
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
        """Return the domain of the address."""
        return self.address.rpartition("@")[2]

    @property
    def is_usable(self) -> bool:
        """Return whether a task may use this mailbox: it is not paused and its grant is not flagged."""
        return self.state in (GrantState.ACTIVE, GrantState.SUSPECT) and self.paused_at is None

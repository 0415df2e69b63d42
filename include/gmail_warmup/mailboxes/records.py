"""Mailbox records, and the validation of the settings that a person enters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, field_validator

from gmail_warmup.core.characters import (
    find_character,
    is_invisible,
    is_unsafe_in_name,
    is_unsafe_in_paragraphs,
)
from gmail_warmup.core.enums import DEFAULT_TARGET, GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import shorten_text
from gmail_warmup.mailboxes.addresses import normalize_contact
from gmail_warmup.mailboxes.schedules.values import ScheduleValues
from gmail_warmup.mailboxes.tags import MAX_TAG_LENGTH, MAX_TAGS, normalize_tags, split_tags
from gmail_warmup.mailboxes.time_zones import normalize_time_zone
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER, InvalidValue, describe_rule
from gmail_warmup.mailboxes.zone_data import UTC_ZONE, find_zone

_FORBIDDEN_IN_NAME = re.compile(r"[<>\"\\]")


def _validate_display_name(value: str) -> str:
    # A subset of the names that gmail.mime accepts in a header.
    if found := find_character(value, is_unsafe_in_name):
        raise ValueError(f"must not contain control characters; it contains {found}")
    if _FORBIDDEN_IN_NAME.search(value):
        raise ValueError('must not contain control characters, <, >, " or a backslash')
    if value and all(map(is_invisible, value)):
        raise ValueError("must contain a visible character")
    return value


def _normalize_signature(value: str) -> str:
    value = "\n".join(value.splitlines()).strip()
    if found := find_character(value, is_unsafe_in_paragraphs):
        raise ValueError(f"must not contain control characters other than line breaks; it contains {found}")
    return value


DailyTarget = Annotated[
    int, Field(ge=1, le=2000, description="Mails per day at the end of the ramp, 1-2000."), WHOLE_NUMBER
]
Zone = Annotated[str, AfterValidator(normalize_time_zone), Field(description="IANA name, for example Europe/Berlin.")]
DisplayName = Annotated[
    str,
    Field(max_length=100, description="Name in the From header."),
    AfterValidator(_validate_display_name),
]
Signature = Annotated[
    str,
    Field(max_length=500, description="Plain text below its mails, up to 500 characters; the name if empty."),
    AfterValidator(_normalize_signature),
]

OwnerEmail = Annotated[
    str,
    Field(description="Mail address of the person who is responsible for the mailbox; empty for none."),
    AfterValidator(lambda value: normalize_contact(value) if value else value),
]
Tags = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(split_tags(value)) if isinstance(value, str) else value),
    Field(
        max_length=MAX_TAGS,
        description=f"Tags of at most {MAX_TAG_LENGTH} characters; one text separates them by commas.",
    ),
    AfterValidator(normalize_tags),
]


class _BasicSettings(BaseModel):
    kind: MailboxKind
    auth: MailboxAuth = MailboxAuth.GRANT
    daily_target: DailyTarget = DEFAULT_TARGET
    timezone: Zone = "UTC"
    display_name: DisplayName | None = None
    signature: Signature | None = None
    owner_email: OwnerEmail | None = None
    tags: Tags = ()

    @field_validator("display_name", "signature", "owner_email")
    @classmethod
    def _empty_to_none(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("tags", mode="before")
    @classmethod
    def _none_to_empty(cls, value: Any) -> Any:
        return () if value is None else value


class MailboxSettings(ScheduleValues, _BasicSettings):
    """The settings of a mailbox that a person chooses; those of its schedule may be left to its tags or the options."""


COLUMN_SETTINGS = tuple(name for name in MailboxSettings.model_fields if name != "tags")
"""The settings that are columns of the mailbox; its tags are rows of another table."""


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
    raise WrongSettingsError(address, [to_broken_rule(problem) for problem in problems])


def to_broken_rule(problem: Mapping[str, Any]) -> BrokenRule:
    """Convert an error of pydantic about the settings of a mailbox."""
    name = ".".join(map(str, problem["loc"]))
    given = problem["input"]
    shown = f" (given: {shorten_text(repr(given))})" if isinstance(given, str | int | float) else ""
    return BrokenRule(field=name, rule=describe_rule(problem, MailboxSettings.model_fields.get(name)) + shown)


@dataclass(frozen=True, kw_only=True)
class MailboxRecord:
    """A mailbox and the state of its grant, without secrets. Times are aware.

    Attributes:
        paused_until: the local date on which it resumes; None: when a person resumes it.
        sending_window, and the other values of a schedule: as set for this mailbox; None: not set for it.
        tag_schedules: what its tags set, as a JSON list of objects in the order of the tags; None without any.
        invalid: the stored values that break a rule; no task works in the mailbox until they are repaired.
    """

    id: int
    address: str
    kind: MailboxKind
    auth: MailboxAuth
    display_name: str | None
    signature: str | None
    owner_email: str | None = None
    tags: tuple[str, ...] = ()
    daily_target: int
    timezone: str
    sending_window: str | None = None
    sending_days: str | None = None
    holidays: str | None = None
    days_off: str | None = None
    ramp: str | None = None
    ramp_start: int | None = None
    ramp_step: int | None = None
    ramp_cap: int | None = None
    maintenance_percent: int | None = None
    open_rate: int | None = None
    reply_rate: int | None = None
    rescue_rate: int | None = None
    important_rate: int | None = None
    star_rate: int | None = None
    language: str | None = None
    tag_schedules: str | None = None
    label_id: str | None
    label_name: str | None
    created_at: datetime
    paused_at: datetime | None
    pause_reason: str | None
    paused_until: date | None = None
    resumed_at: datetime | None
    deferred_until: datetime | None
    deferred_reason: str | None
    gmail_retry_at: datetime | None
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
    invalid: tuple[InvalidValue, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """Return the mailbox's time zone; UTC if the stored one is not known."""
        return find_zone(self.timezone) or UTC_ZONE

    @property
    def domain(self) -> str:
        """Return the domain of the address."""
        return self.address.rpartition("@")[2]

    @property
    def is_usable(self) -> bool:
        """Return whether a task may use this mailbox: not paused, its grant not flagged, no stored value invalid."""
        return self.state in (GrantState.ACTIVE, GrantState.SUSPECT) and self.paused_at is None and not self.invalid

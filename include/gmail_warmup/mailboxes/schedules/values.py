"""The values of a schedule, which a mailbox, a tag or the section [gmail_warmup] sets; the most specific one counts.

The names are those of the options in ``core.settings``. A value that is None, or empty, is not set.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from gmail_warmup.core.option_types import (
    DaysOff,
    Holidays,
    LanguageTag,
    SendingDays,
    SendingWindow,
    parse_time_range,
)
from gmail_warmup.db.models.schedules import SCHEDULE_LIMITS
from gmail_warmup.mailboxes.validation import require_whole_number

MIN_WINDOW = 60
"""Minutes of the shortest sending window that a mailbox or a tag sets: the longest ``run_interval``."""
MAX_DAYS_LENGTH = 1100


def _number(name: str, description: str) -> Any:
    low, high = SCHEDULE_LIMITS[name]
    return Field(None, ge=low, le=high, description=description)


def _require_long_window(value: str) -> str:
    start, end = parse_time_range(value)
    if end - start < MIN_WINDOW:
        raise ValueError(f"must be at least {MIN_WINDOW} minutes long; it has {end - start}")
    return value


def _empty_to_none(value: Any, name: str) -> Any:
    is_empty = isinstance(value, str) and not value.strip() and name in SCHEDULE_NAMES
    return None if is_empty else value


class ScheduleValues(BaseModel):
    """What a mailbox or a tag sets of its schedule."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    sending_window: Annotated[SendingWindow, AfterValidator(_require_long_window)] | None = Field(
        None, description="Local hours in which mails are sent, HH:MM-HH:MM."
    )
    sending_days: SendingDays | None = Field(None, description="Local weekdays of sending, such as mon,tue,wed.")
    holidays: Annotated[Holidays, Field(max_length=MAX_DAYS_LENGTH)] | None = Field(
        None, description="Countries whose public holidays are free, by ISO code, such as DE-BY,FR; none for none."
    )
    days_off: Annotated[DaysOff, Field(max_length=MAX_DAYS_LENGTH)] | None = Field(
        None, description="Further dates without sending, such as 2026-12-24,2026-12-31; none for none."
    )
    ramp: Literal["linear", "phases"] | None = Field(None, description="How the volume grows.")
    ramp_start: int | None = _number("ramp_start", "Mails on the first day (linear).")
    ramp_step: int | None = _number("ramp_step", "Additional mails on each further day (linear).")
    ramp_cap: int | None = _number("ramp_cap", "Maximum number of mails per day (linear).")
    maintenance_percent: int | None = _number("maintenance_percent", "Per cent of the final volume after the ramp.")
    open_rate: int | None = _number("open_rate", "Per cent of its warmup mails that are opened.")
    reply_rate: int | None = _number("reply_rate", "Per cent of its warmup mails that are answered.")
    rescue_rate: int | None = _number("rescue_rate", "Per cent of its warmup mails in spam that are rescued.")
    important_rate: int | None = _number("important_rate", "Per cent of its read mails that are marked important.")
    star_rate: int | None = _number("star_rate", "Per cent of its read mails that are starred.")
    language: Annotated[LanguageTag, Field(max_length=35)] | None = Field(
        None, description="Language tag of the threads that it starts, such as de."
    )

    @field_validator(*SCHEDULE_LIMITS, mode="before")
    @classmethod
    def _require_whole_number(cls, value: Any) -> Any:
        return require_whole_number(value)

    @field_validator("*", mode="before")
    @classmethod
    def _empty_schedule_value_to_none(cls, value: Any, info: Any) -> Any:
        return _empty_to_none(value, info.field_name)

    @field_validator("*", mode="after")
    @classmethod
    def _empty_list_to_none(cls, value: Any, info: Any) -> Any:
        return _empty_to_none(value, info.field_name)  # a list may consist of separators only

    @property
    def set_values(self) -> dict[str, str | int]:
        """Return the values that are set, by name."""
        return {name: value for name in SCHEDULE_NAMES if (value := getattr(self, name)) is not None}


SCHEDULE_NAMES: tuple[str, ...] = tuple(ScheduleValues.model_fields)

SCHEDULE_LABELS = {
    "sending_window": "Sending hours",
    "sending_days": "Sending days",
    "holidays": "Public holidays",
    "days_off": "Days off",
    "ramp": "Ramp",
    "ramp_start": "First day, mails",
    "ramp_step": "More each day",
    "ramp_cap": "At most a day",
    "maintenance_percent": "After the ramp, %",
    "open_rate": "Open rate, %",
    "reply_rate": "Reply rate, %",
    "rescue_rate": "Rescue rate, %",
    "important_rate": "Important rate, %",
    "star_rate": "Star rate, %",
    "language": "Language",
}
"""The values as pages show them, in the order of the form."""

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

MAX_RAMP = 500
"""The most mails a day of a ramp that a mailbox or a tag sets: Google's limit of a gmail.com mailbox."""
MIN_WINDOW = 60
"""Minutes of the shortest sending window that a mailbox or a tag sets: the longest ``run_interval``."""
MAX_DAYS_LENGTH = 1100

# The bounds apply to the number only. They stand outside of the union, where the text of an error finds them.
_Rate = Annotated[int | None, Field(ge=0, le=100)]
_Percent = Annotated[int | None, Field(ge=1, le=100)]
_Mails = Annotated[int | None, Field(ge=1, le=MAX_RAMP)]
_Step = Annotated[int | None, Field(ge=0, le=MAX_RAMP)]


def _require_long_window(value: str) -> str:
    start, end = parse_time_range(value)
    if end - start < MIN_WINDOW:
        raise ValueError(f"must be at least {MIN_WINDOW} minutes long; it has {end - start}")
    return value


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
    ramp_start: _Mails = Field(None, description="Mails on the first day (linear).")
    ramp_step: _Step = Field(None, description="Additional mails on each further day (linear).")
    ramp_cap: _Mails = Field(None, description="Maximum number of mails per day (linear).")
    maintenance_percent: _Percent = Field(None, description="Per cent of the final volume after the ramp.")
    open_rate: _Rate = Field(None, description="Per cent of its warmup mails that are opened.")
    reply_rate: _Rate = Field(None, description="Per cent of its warmup mails that are answered.")
    rescue_rate: _Rate = Field(None, description="Per cent of its warmup mails in spam that are rescued.")
    important_rate: _Rate = Field(None, description="Per cent of its read mails that are marked important.")
    star_rate: _Rate = Field(None, description="Per cent of its read mails that are starred.")
    language: Annotated[LanguageTag, Field(max_length=35)] | None = Field(
        None, description="Language tag of the threads that it starts, such as de."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_schedule_value_to_none(cls, value: Any, info: Any) -> Any:
        is_empty = isinstance(value, str) and not value.strip() and info.field_name in SCHEDULE_NAMES
        return None if is_empty else value

    @property
    def set_values(self) -> dict[str, str | int]:
        """Return the values that are set, by name."""
        return {name: value for name in SCHEDULE_NAMES if (value := getattr(self, name)) is not None}


SCHEDULE_NAMES: tuple[str, ...] = tuple(ScheduleValues.model_fields)

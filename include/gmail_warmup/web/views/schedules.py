"""Views of schedules, shared by the pages and the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import ScheduleOrigin
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models.schedules import SCHEDULE_LIMITS
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.mailboxes.schedules.stored import InvalidScheduleError
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_LABELS, SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.mailboxes.validation import get_max_length
from gmail_warmup.warmup.planning.ramp import RampKind
from gmail_warmup.warmup.planning.schedules import ScheduleValue, explain_schedule, find_schedule


class ScheduleValueView(BaseModel):
    """One value of the schedule of a mailbox, and where it comes from."""

    model_config = ConfigDict(frozen=True)

    value: str | int
    origin: ScheduleOrigin = Field(description="The mailbox, one of its tags, or the option of [gmail_warmup].")
    tag: str | None = Field(description="The tag, if the value comes from one.")


_HINTS = {
    "sending_window": "such as 09:00-18:00",
    "sending_days": "such as mon,tue,wed",
    "holidays": "such as DE-BY,FR; none for none",
    "days_off": "such as 2026-12-24; none for none",
    "ramp_start": "linear ramp",
    "ramp_step": "linear ramp",
    "ramp_cap": "linear ramp",
    "language": "such as de",
}


@dataclass(frozen=True, kw_only=True)
class ScheduleField:
    """A field of the form of a schedule.

    Attributes:
        bounds: minimum and maximum of a number; None for a text.
        max_length: of what can be typed; None without a limit.
        choices: the values of a list.
    """

    name: str
    label: str
    hint: str
    bounds: tuple[int, int] | None
    max_length: int | None
    choices: tuple[str, ...]


FIELDS = tuple(
    ScheduleField(
        name=name,
        label=label,
        hint=_HINTS.get(name, ""),
        bounds=(bounds := SCHEDULE_LIMITS.get(name)),
        max_length=len(str(bounds[1])) if bounds else get_max_length(ScheduleValues, name),
        choices=tuple(RampKind) if name == "ramp" else (),
    )
    for name, label in SCHEDULE_LABELS.items()
)


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """A field with the value that is set here, the value that counts otherwise, and the origin of the one that counts.

    Attributes:
        own: empty if none is set here.
    """

    field: ScheduleField
    own: str | int
    inherited: str | int
    origin: str


def build_values(record: MailboxRecord, settings: Settings) -> dict[str, ScheduleValueView]:
    """Return the effective values of a mailbox by name.

    Raises:
        InvalidScheduleError: a stored value breaks its rule.
    """
    return {
        name: ScheduleValueView(value=item.value, origin=item.origin, tag=item.tag)
        for name, item in explain_schedule(record, settings).items()
    }


def build_mailbox_fields(record: MailboxRecord, settings: Settings) -> list[FieldView]:
    """Return the fields of the form of a mailbox. A stored value that breaks its rule is shown as it is."""
    own = {name: getattr(record, name) for name in SCHEDULE_NAMES}
    nothing: dict[str, Any] = dict.fromkeys(SCHEDULE_NAMES)
    try:
        inherited = explain_schedule(replace(record, **nothing), settings)
    except InvalidScheduleError:  # in the schedule of a tag
        inherited = explain_schedule(replace(record, **nothing, tag_schedules=None), settings)
    return [
        FieldView(
            field=field,
            own="" if own[field.name] is None else own[field.name],
            inherited=inherited[field.name].value,
            origin="this mailbox" if own[field.name] not in (None, "") else _describe_origin(inherited[field.name]),
        )
        for field in FIELDS
    ]


def _describe_origin(item: ScheduleValue) -> str:
    return f"the tag {item.tag}" if item.tag is not None else "the options"


def build_tag_fields(own: Mapping[str, str | int], settings: Settings) -> list[FieldView]:
    """Return the fields of the form of a tag."""
    return [
        FieldView(
            field=field,
            own=own.get(field.name, ""),
            inherited=getattr(settings, field.name),
            origin="this tag" if field.name in own else "the options",
        )
        for field in FIELDS
    ]


def find_ramp_cap(record: MailboxRecord, settings: Settings) -> int | None:
    """Return where the ramp of a mailbox ends, if that is below its daily target."""
    final = find_schedule(record, settings).ramp.compute_final_volume(record.daily_target)
    return final if final < record.daily_target else None


def describe_values(values: Mapping[str, str | int]) -> list[tuple[str, str | int]]:
    """Return label and value of what is set."""
    return [(SCHEDULE_LABELS[name], value) for name, value in values.items()]

"""Find the values of a stored mailbox that break a rule, and replace those that no code can compute with.

Such a value was stored by an earlier version or by other means than this package. The mailbox is still listed, with
what is wrong; no task works in it until it is repaired.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gmail_warmup.core.enums import GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.bounded_times import is_out_of_range
from gmail_warmup.mailboxes import records
from gmail_warmup.mailboxes.addresses import normalize_address
from gmail_warmup.mailboxes.schedules.stored import InvalidScheduleError, read_own_values, read_tag_schedules
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from gmail_warmup.mailboxes.validation import InvalidValue, describe_stored_rule, escape_stored
from gmail_warmup.mailboxes.zone_data import find_zone

_EnumT = TypeVar("_EnumT", bound=StrEnum)

_ENUMS: dict[str, StrEnum] = {
    "kind": MailboxKind.POOL,
    "auth": MailboxAuth.GRANT,
    "state": GrantState.NEEDS_REAUTH,
    "band": HealthBand.BLOCKED,
}
"""What stands for an unknown value: the member with which nothing is sent."""
_SETTINGS: dict[str, TypeAdapter[Any]] = {
    "daily_target": TypeAdapter(records.DailyTarget),
    "display_name": TypeAdapter(records.DisplayName | None),
    "signature": TypeAdapter(records.Signature | None),
    "owner_email": TypeAdapter(records.OwnerEmail | None),
    "tags": TypeAdapter(records.Tags),
}
_TIMES = (
    "created_at", "paused_at", "resumed_at", "deferred_until", "band_since", "health_window_start", "half_volume_on",
    "sent_24h_at", "gmail_retry_at", "state_since", "next_probe_at", "granted_at", "refreshed_at", "refresh_expires_at",
    "access_expires_at", "paused_until",
)  # fmt: skip
_REQUIRED_TIMES = frozenset({"created_at", "state_since"})
"""Columns that are never NULL; the nearest time in range stands for one out of range."""


def check_stored_values(values: dict[str, Any]) -> tuple[InvalidValue, ...]:
    """Replace, in the columns of a mailbox and its grant, what no code can compute with; return what breaks a rule."""
    found = [*_replace_unknown_members(values), *_replace_times(values)]
    if find_zone(values["timezone"]) is None:
        found.append(_invalid("timezone", f"'{escape_stored(values['timezone'])}' is not a known time zone", values))
    found += [*_check_settings(values), *_check_schedules(values)]
    try:
        if normalize_address(values["address"]) != values["address"]:
            found.append(_invalid("address", "is not in its stored form", values))
    except InvalidInputError as error:
        found.append(_invalid("address", str(error).partition(". ")[0], values))
    return tuple(found)


def _replace_unknown_members(values: dict[str, Any]) -> list[InvalidValue]:
    found = []
    for column, fallback in _ENUMS.items():
        member = _find_member(type(fallback), values[column])
        if member is None:
            found.append(_invalid(column, f"'{escape_stored(values[column])}' is not known to this version", values))
        values[column] = member or fallback
    return found


@functools.lru_cache(maxsize=1000)
def _find_member(kind: type[_EnumT], value: str) -> _EnumT | None:
    return next((member for member in kind if member.value == value), None)


def _replace_times(values: dict[str, Any]) -> list[InvalidValue]:
    found = []
    for column in _TIMES:
        if (moment := values[column]) is not None and is_out_of_range(moment):
            found.append(_invalid(column, "the time is out of range", values))
            values[column] = moment if column in _REQUIRED_TIMES else None
    return found


def _check_settings(values: Mapping[str, Any]) -> list[InvalidValue]:
    broken = _find_broken_rules(tuple(values[column] for column in _SETTINGS))
    return [_invalid(column, rule, values) for column, rule in broken.items()]


@functools.lru_cache(maxsize=10_000)  # many mailboxes have the same settings
def _find_broken_rules(stored: tuple[object, ...]) -> dict[str, str]:
    broken = {}
    for (column, adapter), value in zip(_SETTINGS.items(), stored, strict=True):
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            broken[column] = describe_stored_rule(
                error.errors()[0], value, records.MailboxSettings.model_fields[column]
            )
    return broken


def _check_schedules(values: Mapping[str, Any]) -> Iterator[InvalidValue]:
    try:
        read_own_values(tuple(values[name] for name in SCHEDULE_NAMES))
    except InvalidScheduleError as error:
        yield from error.values
    try:
        read_tag_schedules(values["tag_schedules"])
    except InvalidScheduleError as error:
        yield from error.values


def _invalid(column: str, rule: str, values: Mapping[str, Any]) -> InvalidValue:
    is_setting = column in records.MailboxSettings.model_fields and column not in _ENUMS
    remedy = (
        "Change it on the page of the mailbox."
        if is_setting
        else f"Correct the row of the mailbox {values['id']} in the database."
    )
    return InvalidValue(column=column, rule=rule, remedy=remedy)

"""Read the stored values of schedules: those of a mailbox, and those of its tags. Each broken rule is named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.mailboxes.validation import InvalidValue, describe_stored_rule

_CACHED = 10_000
"""Many mailboxes have the same schedule, or the same tags."""


class InvalidScheduleError(InvalidInputError):
    """Stored values of a schedule break their rules: field, rule and remedy of each, after the mailbox if it is known.

    Attributes:
        values: the broken values.
    """

    def __init__(self, values: Sequence[InvalidValue], address: str = "") -> None:
        self.values = tuple(values)
        super().__init__(f"{address}: " * bool(address) + " ".join(map(str, self.values)))


@lru_cache(maxsize=_CACHED)
def read_own_values(stored: tuple[Any, ...]) -> ScheduleValues:
    """Return what a mailbox sets, from its columns in the order of ``SCHEDULE_NAMES``.

    Raises:
        InvalidScheduleError: with each value that breaks its rule.
    """
    values = dict(zip(SCHEDULE_NAMES, stored, strict=True))
    try:
        return ScheduleValues.model_validate(values)
    except ValidationError as error:
        broken = _describe_rules(error, values)
    remedy = "Change it on the page of the mailbox."
    raise InvalidScheduleError([InvalidValue(column=name, rule=rule, remedy=remedy) for name, rule in broken.items()])


@lru_cache(maxsize=_CACHED)
def read_tag_schedules(text: str | None) -> Sequence[tuple[str, ScheduleValues]]:
    """Return the tags of a mailbox with what they set, in the order of the tags.

    Args:
        text: the column ``tag_schedules`` of ``mailboxes.schedules.columns``.

    Raises:
        InvalidScheduleError: with each value that breaks its rule.
    """
    read: list[tuple[str, ScheduleValues]] = []
    broken: list[InvalidValue] = []
    for document in sorted(json.loads(text) if text else (), key=lambda document: str(document["tag"])):
        tag = document.pop("tag")
        try:
            read.append((tag, ScheduleValues.model_validate(document)))
        except ValidationError as error:
            broken += _name_tag(tag, _describe_rules(error, document))
    if broken:
        raise InvalidScheduleError(broken)
    return tuple(read)


def _name_tag(tag: str, broken: Mapping[str, str]) -> list[InvalidValue]:
    remedy = f"Change the schedule of the tag '{tag}'."
    return [
        InvalidValue(column="tag_schedules", rule=f"the schedule of its tag '{tag}': {name}: {rule}", remedy=remedy)
        for name, rule in broken.items()
    ]


def _describe_rules(error: ValidationError, stored: Mapping[str, Any]) -> dict[str, str]:
    """Return the broken rule of each invalid field, with the stored value."""
    rules = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}
    return {
        name: describe_stored_rule(problem, stored[name], ScheduleValues.model_fields[name])
        for name, problem in sorted(rules.items())
    }

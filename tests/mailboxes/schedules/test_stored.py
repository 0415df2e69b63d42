"""A stored schedule that breaks a rule: each message names the field, the mailbox or tag, the rule and the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gmail_warmup.core.option_types import parse_time_range
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.doctor.stored_rows import list_invalid_rows
from gmail_warmup.mailboxes.schedules.stored import InvalidScheduleError, read_own_values
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from gmail_warmup.warmup.planning.schedules import explain_schedule, resolve_schedule
from support.mail_kit import ADA
from support.plan_kit import build_mailbox
from support.world import World

BROKEN: dict[str, tuple[Any, str]] = {
    "sending_window": ("all day", "must read HH:MM-HH:MM"),
    "sending_days": ("weekdays", "must list days"),
    "holidays": ("XX", "must list countries by ISO code"),
    "days_off": ("soon", "must list dates as YYYY-MM-DD"),
    "ramp": ("steep", "must be linear or phases"),
    "ramp_start": (501, "must be a whole number from 1 to 500"),
    "ramp_step": (-1, "must be a whole number from 0 to 500"),
    "ramp_cap": (0, "must be a whole number from 1 to 500"),
    "maintenance_percent": (101, "must be a whole number from 1 to 100"),
    "open_rate": (101, "must be a whole number from 0 to 100"),
    "reply_rate": (-1, "must be a whole number from 0 to 100"),
    "rescue_rate": (200, "must be a whole number from 0 to 100"),
    "important_rate": (101, "must be a whole number from 0 to 100"),
    "star_rate": (101, "must be a whole number from 0 to 100"),
    "language": ("the local one", "must be a language tag"),
}
"""A value of each name that breaks its rule, and how the text of the rule begins."""
TEXTS = [name for name in SCHEDULE_NAMES if isinstance(BROKEN[name][0], str)]


def tagged(**values: dict[str, Any]) -> str:
    return json.dumps([{"tag": tag} | chosen for tag, chosen in values.items()])


@pytest.mark.parametrize(
    "window", ["\u0660\u0669:00-18:00", "09:00-18:\uff10\uff10", "09:00-18:00\n", "9:00-18:00"], ids=ascii
)
def test_a_window_has_one_form(window: str):
    with pytest.raises(ValueError, match="must read HH:MM-HH:MM"):
        parse_time_range(window)


@pytest.mark.parametrize("compute", [resolve_schedule, explain_schedule])
@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_a_broken_value_is_named_with_mailbox_tag_rule_and_remedy(name: str, compute: Callable[..., Any]):
    value, rule = BROKEN[name]
    with pytest.raises(InvalidScheduleError) as own:
        compute(build_mailbox(**{name: value}), Settings())
    assert re.fullmatch(
        rf"{ADA}: {name}: {rule}.*\(stored: {value}\)\. Change it on the page of the mailbox\.", str(own.value)
    )
    with pytest.raises(InvalidScheduleError) as by_tag:
        compute(build_mailbox(tag_schedules=tagged(a={"ramp_cap": 9}, b={name: value})), Settings())
    assert re.fullmatch(
        rf"{ADA}: tag_schedules: the schedule of its tag 'b': {name}: {rule}.*\(stored: {value}\)\. "
        r"Change the schedule of the tag 'b'\.",
        str(by_tag.value),
    )


def test_every_broken_value_of_every_tag_is_named():
    mailbox = build_mailbox(tag_schedules=tagged(b={"ramp": "steep"}, a={"open_rate": 101, "star_rate": -1}))
    with pytest.raises(InvalidScheduleError) as error:
        resolve_schedule(mailbox, Settings())
    assert re.findall(r"tag '(\w)': (\w+):", str(error.value)) == [
        ("a", "open_rate"), ("a", "star_rate"), ("b", "ramp"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"ramp"}))
def test_record_and_doctor_name_what_the_plan_names(world: World, name: str):
    world.add(ADA, kind="warmup", expired=False)
    value, rule = BROKEN[name]
    world.sql(f"UPDATE gmail_warmup.mailbox SET {name} = '{value}' WHERE address = '{ADA}'")
    record = world.mailbox(ADA)
    with pytest.raises(InvalidScheduleError) as error:
        resolve_schedule(record, world.settings)
    assert str(error.value) == f"{ADA}: {record.invalid[0]}"
    with read_transaction(world.store.engine) as connection:
        (row,) = list_invalid_rows(connection)
    assert str(row).startswith(f"mailbox {record.id} ({ADA}), column {name}: {rule}")
    assert row.remedy == "Change it on the page of the mailbox."


@pytest.mark.parametrize("name", TEXTS)
def test_an_empty_value_is_not_set_and_breaks_no_rule(name: str):
    assert explain_schedule(build_mailbox(**{name: ""}), Settings()) == explain_schedule(build_mailbox(), Settings())
    assert not read_own_values(tuple("" if column == name else None for column in SCHEDULE_NAMES)).set_values

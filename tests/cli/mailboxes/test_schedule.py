"""``gmail-warmup mailboxes schedule``, and a pause with an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.world import World

ADA, BOB = "ada@warm.example", "bob@warm.example"
DAY = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()


@pytest.fixture
def two(world: World) -> World:
    world.add(ADA, kind="warmup")
    world.add(BOB, kind="warmup")
    world.sql("INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) SELECT id, 'sales' FROM gmail_warmup.mailbox")
    return world


def test_values_are_set_shown_with_their_origin_and_removed(two: World, shell: Any):
    shell("mailboxes", "schedule", "set", ADA, BOB, "--value", "ramp_cap=30", "--value", "holidays=de-by")
    shell("mailboxes", "schedule", "set", "--tag", " Sales", "--value", "ramp_cap=20", "--value", "ramp_start=3")
    values = shell.json("mailboxes", "schedule", "show", ADA)["values"]
    assert values["ramp_cap"] == {"value": 30, "origin": "mailbox", "tag": None}
    assert values["ramp_start"] == {"value": 3, "origin": "tag", "tag": "sales"}
    assert values["ramp_step"] == {"value": 2, "origin": "global", "tag": None}
    assert values["holidays"]["value"] == "DE-BY"
    assert "tag sales" in shell("mailboxes", "schedule", "show", ADA)
    shell("mailboxes", "schedule", "set", ADA, "--value", "ramp_cap=")
    assert shell.json("mailboxes", "schedule", "show", ADA)["values"]["ramp_cap"]["tag"] == "sales"
    shell("mailboxes", "schedule", "set", "--tag", "sales", "--value", "ramp_cap=")
    assert shell.json("mailboxes", "schedule", "show") == [{"tag": "sales", "values": {"ramp_start": 3}}]
    assert shell.json("mailboxes", "schedule", "show", BOB)["values"]["ramp_cap"]["value"] == 30


WRONG = [
    ([ADA, "--value", "ramp_cap=501"], "ramp_cap: must be a whole number from 1 to 500"),
    ([ADA, "--value", "sending_window=18:00-09:00"], "sending_window: must start before it ends"),
    ([ADA, "--value", "sending_days=mon,funday"], "must list days out of mon, tue"),
    (["--tag", "sales", "--value", "holidays=XX"], "'XX' is not known"),
    ([ADA, "--value", "colour=red"], "write NAME=VALUE with one of the names sending_window"),
    ([ADA, "--value", "ramp_cap"], "write NAME=VALUE"),
    (["--value", "ramp_cap=3"], "Name mailboxes or a tag"),
    ([ADA, "--tag", "sales", "--value", "ramp_cap=3"], "Name mailboxes or a tag"),
    (["who@warm.example", "--value", "ramp_cap=3"], "Unknown mailbox: who@warm.example"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_refused_and_nothing_is_changed(two: World, shell: Any, arguments: list[str], message: str):
    shell("mailboxes", "schedule", "set", *arguments, code=2)
    assert message in shell.err
    assert two.rows("SELECT DISTINCT ramp_cap, sending_window, sending_days FROM gmail_warmup.mailbox") == [
        (None, None, None)
    ]
    assert two.rows("SELECT tag FROM gmail_warmup.tag_schedule") == []


def test_a_pause_has_an_end(two: World, shell: Any):
    shell("mailboxes", "pause", ADA, "--reason", "holiday", "--until", DAY)
    assert str(two.mailbox(ADA).paused_until) == DAY
    assert f"paused until {DAY}" in shell("mailboxes", "list")
    shell("mailboxes", "pause", BOB, "--reason", "holiday", "--until", "2026-01-01", code=2)
    assert "must be after today" in shell.err
    shell("mailboxes", "pause", BOB, "--reason", "holiday", "--until", "soon", code=2)
    assert "must be a date as YYYY-MM-DD, for example 2026-12-24" in shell.err
    assert two.mailbox(BOB).paused_at is None

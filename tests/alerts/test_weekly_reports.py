"""The weekly report as a message: once a week, at its time, about what the option lists."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from gmail_warmup.alerts.weekly_reports import compose_weekly_reports, find_last_due_time
from gmail_warmup.core.option_types import DAY_NAMES
from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes.tags import normalize_tag
from gmail_warmup.warmup.reporting.weekly.scope import parse_scope
from support.world import World


def now_as_option(world: World) -> str:
    ((day, hour),) = world.rows(
        "SELECT extract(isodow FROM at)::int, to_char(at, 'HH24:MI') FROM (SELECT now() AT TIME ZONE 'UTC' AS at) t"
    )
    return f"{DAY_NAMES[day - 1]} {hour}"


def titles(world: World) -> list[str]:
    return [title for (title,) in world.rows("SELECT title FROM gmail_warmup.alert ORDER BY id")]


def test_it_is_off_unless_set(world: World):
    assert compose_weekly_reports(world.store.engine, Settings()) == []
    assert titles(world) == []


def test_each_scope_has_one_message_a_week(world: World):
    scopes = "fleet,domain:one.example,tag:sales"
    settings = Settings(weekly_report=now_as_option(world), weekly_report_scopes=scopes)
    assert len(compose_weekly_reports(world.store.engine, settings)) == 3
    assert compose_weekly_reports(world.store.engine, settings) == []
    found = titles(world)
    assert [title.rpartition(": ")[2] for title in found] == ["all mailboxes", "domain one.example", "tag sales"]
    ((body,),) = world.rows("SELECT body FROM gmail_warmup.alert WHERE id = 1")
    assert "Sent: 0, the week before 0" in body
    assert "tab Report" in body
    world.sql("UPDATE gmail_warmup.alert SET created_at = created_at - interval '7 days'")
    assert len(compose_weekly_reports(world.store.engine, settings)) == 3


def test_a_scope_that_breaks_a_rule_costs_only_itself(world: World, caplog: pytest.LogCaptureFixture):
    settings = Settings(weekly_report=now_as_option(world), weekly_report_scopes="tag:a\u200bb,fleet")
    assert len(compose_weekly_reports(world.store.engine, settings)) == 1
    assert "no report about 'tag:a" in caplog.text


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-30 08:00", "2026-11-30 08:00"),  # a Monday
        ("2026-11-30 07:59", None),
        ("2026-12-01 07:59", "2026-11-30 08:00"),
        ("2026-12-01 08:00", None),
        ("2026-12-06 12:00", None),
    ],
)
def test_when_it_is_due(now: str, due: str | None):
    found = find_last_due_time("mon 08:00", datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == (due and datetime.fromisoformat(due).replace(tzinfo=UTC))


@pytest.mark.parametrize("value", ["monday 08:00", "mon", "mon 24:00", "mon 8:00", "08:00", "", "mon 08:60"])
def test_a_wrong_time_is_refused(value: str):
    with pytest.raises(ValidationError, match="must be a day out of"):
        Settings(weekly_report=value)


@pytest.mark.parametrize("tag", ["team:x", "a/b", "=1", "..."])
def test_a_report_can_be_about_each_tag(tag: str):
    assert parse_scope(Settings(weekly_report_scopes=f"tag:{normalize_tag(tag)}").weekly_report_scopes).name == tag


@pytest.mark.parametrize("value", ["", "all", "domain:", "fleet,,", ",".join(f"tag:{n}" for n in range(51))])
def test_a_wrong_scope_is_refused(value: str):
    with pytest.raises(ValidationError, match="must list"):
        Settings(weekly_report_scopes=value)

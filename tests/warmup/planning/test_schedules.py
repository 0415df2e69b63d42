"""The schedule of a mailbox: which value counts, what reads it, and that the plan follows each change at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import DEFAULT_TARGET, Action, MailboxKind, ScheduleOrigin
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.doctor.stored_rows import list_invalid_rows
from gmail_warmup.mailboxes import tags
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.repository import add_or_update
from gmail_warmup.mailboxes.schedules.store import put_tag_schedule
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.warmup.planning.daily_plan import (
    SendingHistory,
    compute_todays_volume,
    find_due_slots,
    find_next_send_time,
    find_next_sending_day,
    plan_todays_slots,
)
from gmail_warmup.warmup.planning.days_off import is_public_holiday
from gmail_warmup.warmup.planning.schedules import Schedule, count_languages, explain_schedule, resolve_schedule
from gmail_warmup.warmup.readiness.store import load_readiness
from gmail_warmup.warmup.reporting.domain_volumes import count_volumes
from gmail_warmup.warmup.reporting.mailbox_statistics import load_mailbox_statistics
from support.mail_kit import ADA, AT_ONCE, act, due, everybody, use
from support.plan_kit import build_mailbox
from support.world import World

OTHERS: dict[str, Any] = {
    "sending_window": "10:00-12:00", "sending_days": "sat,sun", "holidays": "FR", "days_off": "2026-12-24",
    "ramp": "phases", "ramp_start": 9, "ramp_step": 7, "ramp_cap": 99, "maintenance_percent": 50, "open_rate": 11,
    "reply_rate": 12, "rescue_rate": 13, "important_rate": 14, "star_rate": 15, "language": "fr",
}  # fmt: skip
"""A value of each name that is not the default."""
NOW = datetime(2026, 12, 24, 13, tzinfo=UTC)  # a Thursday


def tagged(**values: dict[str, Any]) -> str:
    return json.dumps([{"tag": tag} | chosen for tag, chosen in values.items()])


def test_every_value_of_a_schedule_has_an_option_and_an_example():
    assert set(OTHERS) == set(SCHEDULE_NAMES) <= set(Settings.model_fields)
    assert ScheduleValues(**OTHERS).set_values == OTHERS


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_the_most_specific_value_counts(name: str):
    value, option = OTHERS[name], getattr(Settings(), name)
    another = {"holidays": "none", "days_off": "none", "language": "en"}.get(name, option)
    tags_set = tagged(a={}, b={name: value}, c={name: another})
    cases = [
        (build_mailbox(), option, ScheduleOrigin.GLOBAL, None),
        (build_mailbox(tag_schedules=tagged(a={}, z={})), option, ScheduleOrigin.GLOBAL, None),
        (build_mailbox(tag_schedules=tags_set), value, ScheduleOrigin.TAG, "b"),
        (build_mailbox(**{name: value}), value, ScheduleOrigin.MAILBOX, None),
        (build_mailbox(**{name: value}, tag_schedules=tagged(a={name: another})), value,
         ScheduleOrigin.MAILBOX, None),
        (build_mailbox(**{name: ""} if isinstance(value, str) else {}), option, ScheduleOrigin.GLOBAL, None),
    ]  # fmt: skip
    for mailbox, expected, origin, tag in cases:
        found = explain_schedule(mailbox, Settings())[name]
        assert (found.value, found.origin, found.tag) == (expected, origin, tag)
        others = {key: item for key, item in explain_schedule(mailbox, Settings()).items() if key != name}
        assert all(item.origin is ScheduleOrigin.GLOBAL for item in others.values())
    assert resolve_schedule(cases[3][0], Settings()) == Schedule.from_settings(Settings(**{name: value}))


def test_of_two_tags_the_first_by_alphabet_counts():
    for order in (("b", "a", "é"), ("a", "é", "b")):
        mailbox = build_mailbox(tag_schedules=tagged(**{tag: {"ramp_cap": 10 + len(tag)} for tag in order}))
        assert explain_schedule(mailbox, Settings())["ramp_cap"].tag == "a"


@pytest.mark.parametrize(
    "values",
    [{"sending_window": "10:00-12:00"}, {"sending_days": "sat"}, {"days_off": "2026-12-24"}, {"ramp_start": 9},
     {"ramp": "phases"}, {"holidays": "CZ"}],
)  # fmt: skip
def test_every_function_of_the_plan_follows_the_mailbox_as_it_follows_the_option(values: dict[str, Any]):
    history, chosen = SendingHistory(days=3), Settings(**values)
    own, by_tag = build_mailbox(**values), build_mailbox(tag_schedules=tagged(a=values))
    for compute in (compute_todays_volume, plan_todays_slots, find_due_slots, find_next_send_time):
        expected = compute(build_mailbox(), history, now=NOW, settings=chosen)
        assert compute(own, history, now=NOW, settings=Settings()) == expected
        assert compute(by_tag, history, now=NOW, settings=Settings()) == expected
    assert find_next_sending_day(own, now=NOW, settings=Settings()) == find_next_sending_day(
        build_mailbox(), now=NOW, settings=chosen
    )


HOLIDAYS = [
    ("DE", date(2026, 12, 25), True),
    ("DE", date(2026, 1, 6), False),
    ("DE-BY", date(2026, 1, 6), True),
    ("FR,DE-BY", date(2026, 1, 6), True),
    ("FR", date(2026, 7, 14), True),
    ("US", date(2026, 11, 26), True),
    ("JP", date(2027, 1, 1), True),
    ("none", date(2026, 12, 25), False),
]


@pytest.mark.parametrize(("holidays", "day", "is_free"), HOLIDAYS)
def test_nothing_is_sent_on_a_public_holiday(holidays: str, day: date, is_free: bool):
    schedule = resolve_schedule(build_mailbox(holidays=holidays), Settings(holidays="GB", days_off="2026-01-06"))
    free = schedule.days_off == {date(2026, 1, 6)} and day == date(2026, 1, 6)
    assert schedule.is_sending_day(day) is not (is_free or free)


def test_threads_that_read_a_new_year_together_find_its_holidays():
    is_public_holiday(date(1990, 1, 1), "DE", None)  # the calendar is shared by all further calls
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(max_workers=4) as threads:
            for year in range(1991, 2041):
                days = [date(year, *day) for day in ((1, 1), (12, 25), (5, 1), (12, 26))]
                found = threads.map(lambda day: is_public_holiday(day, "DE", None), days)
                assert all(found), year
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("values", [{"sending_days": "wed,fri"}, {"days_off": "2026-12-24"}, {"holidays": "CZ"}])
def test_a_day_that_is_no_sending_day_has_no_slots_and_changes_no_other_day(values: dict[str, Any]):
    def plan(day: int, **values: Any) -> object:
        at = NOW.replace(day=day)
        return plan_todays_slots(build_mailbox(**values), SendingHistory(), now=at, settings=Settings())

    assert plan(24)
    assert not plan(24, **values)
    assert plan(23) == plan(23, **values) != ()


def test_a_free_day_is_that_of_the_time_zone_of_the_mailbox():
    at = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)  # the 25th in Auckland, the 24th in New York
    for zone, sends in (("Pacific/Auckland", False), ("America/New_York", True)):
        mailbox = build_mailbox(timezone=zone, days_off="2026-12-25", sending_window="00:00-24:00")
        assert bool(plan_todays_slots(mailbox, SendingHistory(), now=at, settings=Settings())) is sends


def test_a_year_without_sending_days_has_an_end():
    mailbox = build_mailbox(sending_days="fri", days_off=",".join(f"2027-01-{day:02}" for day in (1, 8, 15, 22)))
    assert find_next_sending_day(mailbox, now=datetime(2026, 12, 26, tzinfo=UTC), settings=Settings()) == date(
        2027, 1, 29
    )
    assert find_next_send_time(mailbox, SendingHistory(), now=datetime(2026, 12, 26, tzinfo=UTC), settings=Settings())


def test_no_default_target_is_above_the_cap():
    assert Settings().ramp_cap >= DEFAULT_TARGET == MailboxSettings(kind=MailboxKind.WARMUP).daily_target


# --- with a database -------------------------------------------------------------------------------------------------


def change(world: World, function: Callable[[sa.Connection], Any]) -> None:
    with world.store.engine.begin() as connection:
        function(connection)


def put_tag(world: World, tag: str, **values: Any) -> None:
    change(world, lambda connection: put_tag_schedule(connection, tag, ScheduleValues(**values), actor="op"))


def set_tags(world: World, *names: str, address: str = ADA) -> None:
    ada = world.mailbox(address).id
    change(world, lambda connection: tags.set_tags(connection, {ada: names}))


def today_off() -> str:
    return ",".join(date.fromordinal(datetime.now(UTC).date().toordinal() + by).isoformat() for by in (-1, 0, 1))


CHANGES: dict[str, Callable[[World], None]] = {
    "settings of the mailbox": lambda world: change(
        world, lambda c: change_settings(c, [ADA], MailboxChanges(days_off=today_off()), actor="op")
    ),
    "settings as a whole": lambda world: change(
        world,
        lambda c: add_or_update(c, ADA, MailboxSettings(kind=MailboxKind.WARMUP, days_off=today_off()), actor="op"),
    ),
    "schedule of its tag": lambda world: put_tag(world, "sales", days_off=today_off()),
    "a further tag": lambda world: set_tags(world, "holiday", "sales"),
    "another tag": lambda world: set_tags(world, "holiday"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_plan_follows_each_change_at_once(warm: World, name: str):
    put_tag(warm, "holiday", days_off=today_off())
    set_tags(warm, "sales")
    assert due(warm, Action.SEND) == [ADA]
    CHANGES[name](warm)
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}


UNDONE: dict[str, Callable[[World], None]] = {
    "its tag": lambda world: set_tags(world),
    "schedule of its tag": lambda world: put_tag(world, "holiday"),
    "another schedule of its tag": lambda world: put_tag(world, "holiday", open_rate=1),
    "value of the mailbox": lambda world: change(
        world, lambda c: change_settings(c, [ADA], MailboxChanges(days_off="none"), actor="op")
    ),
}


@pytest.mark.parametrize("name", UNDONE)
def test_a_mailbox_sends_again_as_soon_as_nothing_forbids_it(warm: World, name: str):
    put_tag(warm, "holiday", days_off=today_off())
    set_tags(warm, "holiday")
    assert due(warm, Action.SEND) == []
    UNDONE[name](warm)
    assert due(warm, Action.SEND) == [ADA]
    assert act(warm, Action.SEND)["sent"] == 6


def test_a_schedule_of_a_tag_concerns_only_its_mailboxes(warm: World):
    warm.add("ben@warm.example", kind="warmup", expired=False)
    put_tag(warm, "holiday", days_off=today_off())
    set_tags(warm, "holiday")
    assert due(warm, Action.SEND) == ["ben@warm.example"]


def test_volume_rates_and_language_of_a_tag_are_what_google_sees(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET open_rate = NULL, reply_rate = NULL")
    use(warm, open_rate=100, reply_rate=100)
    put_tag(warm, "quiet", ramp_start=4, open_rate=50, reply_rate=0, language="en", important_rate=0)
    set_tags(warm, "quiet")
    assert act(warm, Action.SEND)["sent"] == 4
    everybody(warm, Action.RESCUE, Action.READ)
    rows = warm.rows("SELECT language, read_at IS NOT NULL, reply_due_at, important FROM gmail_warmup.ledger")
    assert {row[0] for row in rows} == {"en"}
    assert sum(row[1] for row in rows) == 2
    assert {row[2] for row in rows} == {None}
    with read_transaction(warm.store.engine) as connection:
        assert count_languages(connection, warm.settings) == {None: 2, "en": 1}


def test_every_report_shows_the_volume_of_the_schedule(warm: World):
    warm.settings = AT_ONCE.model_copy(update={"ramp_start": 5})
    put_tag(warm, "slow", ramp_start=2, ramp_step=1, ramp_cap=3)
    set_tags(warm, "slow")
    with read_transaction(warm.store.engine) as connection:
        statistics = load_mailbox_statistics(connection, ADA, warm.settings)
        volume = count_volumes(connection, warm.settings)["warm.example"]
        (ready,) = load_readiness(connection, [warm.mailbox(ADA).id], warm.settings)
    assert (statistics.today.planned, statistics.phase) == (2, "ramp, day 1 of 2")
    assert (volume.planned, volume.target) == (2, 3)
    assert ready.day.state == "warming"
    put_tag(warm, "slow", days_off=today_off())
    with read_transaction(warm.store.engine) as connection:
        assert count_volumes(connection, warm.settings)["warm.example"].planned == 0


def test_a_stored_schedule_that_breaks_a_rule_stops_only_its_mailboxes(warm: World):
    warm.add("ben@warm.example", kind="warmup", expired=False)
    put_tag(warm, "bad", sending_window="09:00-18:00")
    set_tags(warm, "bad")
    warm.sql("UPDATE gmail_warmup.tag_schedule SET sending_window = 'always'")
    assert due(warm, Action.SEND) == ["ben@warm.example"]
    (invalid,) = warm.mailbox(ADA).invalid
    assert "schedule of its tag 'bad': sending_window: must read HH:MM-HH:MM" in invalid.rule
    with read_transaction(warm.store.engine) as connection:
        assert [item.column for item in list_invalid_rows(connection)] == ["tag_schedules"]
    put_tag(warm, "bad", sending_window="00:00-24:00")
    assert ADA in due(warm, Action.SEND)


def test_what_a_mailbox_with_a_broken_schedule_has_sent_is_still_found_and_read(warm: World):
    sent = act(warm, Action.SEND)["sent"]
    put_tag(warm, "bad", reply_rate=100)
    set_tags(warm, "bad")
    warm.sql("UPDATE gmail_warmup.tag_schedule SET sending_window = 'always'")
    done = everybody(warm, Action.RESCUE)
    assert done["placed_inbox"] == sent
    assert done["read"] > 0


def test_a_rate_of_zero_rescues_nothing(warm: World):
    put_tag(warm, "unrescued", rescue_rate=0)
    set_tags(warm, "unrescued")
    warm.sandbox.set(spam_chance=1)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    assert set(warm.rows("SELECT placement, rescue_due_at FROM gmail_warmup.ledger")) == {("spam", None)}

"""Due times in the ledger: rescue, read, mark and reply have separate times, and none is in the recipient's night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.errors import GmailUnavailableError
from support.mail_kit import POOL, act, copy_of, due, everybody, ledger, past, use
from support.world import World

COLUMNS = ("locate_due_at", "rescue_due_at", "read_due_at", "mark_due_at", "reply_due_at")


@pytest.fixture
def timed(warm: World) -> World:
    """Return a world with delays of real length."""
    use(warm, ramp_start=12)
    act(warm, Action.SEND)  # the plan of a day takes a day; what follows is looked at
    use(warm, delay_scale=1.0, night_pause="none", important_rate=100, star_rate=100)
    return warm


def wait_for(world: World, column: str) -> None:
    world.sql(f"UPDATE gmail_warmup.ledger SET {column} = now() WHERE {column} > now()")


def delays(rows: list[Any], column: str, since: str) -> list[float]:
    return [(getattr(row, column) - getattr(row, since)).total_seconds() for row in rows]


def test_every_step_waits_for_its_own_time(timed: World):
    timed.sandbox.set(spam_chance=0.5)
    everybody(timed, Action.RESCUE)
    assert all(30 <= delay <= 600 for delay in delays(ledger(timed), "read_due_at", "placed_at"))
    assert due(timed, Action.READ) == []
    assert everybody(timed, Action.READ) == {}
    wait_for(timed, "read_due_at")
    assert everybody(timed, Action.READ) == {"read": 12}
    rows = ledger(timed)
    assert all(45 <= delay <= 100 for delay in delays(rows, "mark_due_at", "read_at"))
    answered = [row for row in rows if row.reply_due_at]
    assert len(answered) == 6
    assert all(300 <= delay <= 1800 for delay in delays(answered, "reply_due_at", "read_at"))
    assert due(timed, Action.READ) == due(timed, Action.REPLY) == []
    assert all({"IMPORTANT", "STARRED"}.isdisjoint(copy_of(mail).labels) for mail in timed.sandbox.mails())
    wait_for(timed, "mark_due_at")
    assert everybody(timed, Action.READ) == {"marked_important": 12, "marked_starred": 12}
    assert all({"IMPORTANT", "STARRED"} <= set(copy_of(mail).labels) for mail in timed.sandbox.mails())
    assert everybody(timed, Action.READ) == {}


@pytest.mark.parametrize("rate", [0, 100])
def test_important_and_star_are_rates(timed: World, rate: int):
    use(timed, important_rate=rate, star_rate=100 - rate)
    everybody(timed, Action.RESCUE)
    wait_for(timed, "read_due_at")
    everybody(timed, Action.READ)
    wait_for(timed, "mark_due_at")
    everybody(timed, Action.READ)
    marks = [{"IMPORTANT", "STARRED"} & set(copy_of(mail).labels) for mail in timed.sandbox.mails()]
    assert marks == [{"IMPORTANT" if rate else "STARRED"}] * 12


def test_what_lies_in_spam_is_rescued_before_it_is_read(timed: World):
    use(timed, delay_scale=1e-9)
    past(timed, days=1)
    timed.sandbox.set(spam_chance=1)
    act(timed, Action.SEND)
    timed.sandbox.add_fault("gmail.users.messages.modify", name="gmail.unavailable_503")
    for address in POOL:
        with pytest.raises(GmailUnavailableError):
            act(timed, Action.RESCUE, address)
    timed.sandbox.clear_faults()
    spam = [row.id for row in ledger(timed) if row.placement == "spam"]
    assert spam
    everybody(timed, Action.READ)
    assert all(row.read_at is None for row in ledger(timed) if row.id in spam)
    everybody(timed, Action.RESCUE, Action.READ)
    assert all(row.read_at > row.rescued_at for row in ledger(timed) if row.id in spam)


def tonight(hours_left: int = 2) -> str:
    """Return a night pause that began an hour ago (UTC)."""
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=hours_left):%H:%M}"


def test_nothing_is_done_or_due_in_the_recipients_night(timed: World):
    use(timed, delay_scale=1e-9)
    past(timed, days=1)
    timed.sandbox.set(spam_chance=1)
    act(timed, Action.SEND)
    use(timed, delay_scale=1.0, night_pause=tonight())
    everybody(timed, Action.RESCUE)
    rows = ledger(timed)
    assert {row.placement for row in rows} == {"inbox", "spam"}, "where it lies is read at any hour"
    wake = datetime.now(UTC) + timedelta(hours=2) - timedelta(minutes=2)
    assert all(row.read_due_at > wake for row in rows)
    assert all(row.read_due_at > row.rescue_due_at > wake for row in rows if row.placement == "spam")
    assert len({row.read_due_at for row in rows}) == len(rows) > 12
    changes = [call for address in POOL for call in timed.sandbox.calls(address) if call.method == "messages.modify"]
    assert changes == []


@pytest.mark.parametrize(("action", "column"), [(Action.READ, "read_due_at"), (Action.REPLY, "reply_due_at")])
def test_what_became_due_by_day_is_put_off_when_its_task_comes_late(timed: World, action: Action, column: str):
    everybody(timed, Action.RESCUE)
    wait_for(timed, "read_due_at")
    if action is Action.REPLY:
        everybody(timed, Action.READ)
        wait_for(timed, "reply_due_at")
    use(timed, night_pause=tonight())
    late = [row.id for row in ledger(timed) if getattr(row, column) and getattr(row, column) <= datetime.now(UTC)]
    assert due(timed, action) != []
    assert everybody(timed, action) == {}
    assert due(timed, action) == []
    wake = datetime.now(UTC) + timedelta(hours=2) - timedelta(minutes=2)
    assert late
    assert all(getattr(row, column) > wake for row in ledger(timed) if row.id in late)


def test_the_night_is_the_recipients_own(timed: World):
    """A recipient in daytime works, whatever the local time of the sender."""
    hour = datetime.now(UTC).hour
    day, night = (f"Etc/GMT{hour - 12:+d}", f"Etc/GMT{(hour if hour <= 12 else hour - 24):+d}")
    for address, zone in zip(POOL, (day, night), strict=True):
        timed.sql(
            "UPDATE gmail_warmup.mailbox SET timezone = :zone WHERE address = :address", zone=zone, address=address
        )
    everybody(timed, Action.RESCUE)
    wait_for(timed, "read_due_at")
    use(timed, night_pause="23:00-07:00")
    assert act(timed, Action.READ, POOL[0])["read"] > 0
    assert act(timed, Action.READ, POOL[1]) == {}


def test_the_sender_reads_its_answers_by_day(timed: World):
    everybody(timed, Action.RESCUE)
    wait_for(timed, "read_due_at")
    everybody(timed, Action.READ)
    wait_for(timed, "reply_due_at")
    everybody(timed, Action.REPLY)
    timed.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = NULL")
    wait_for(timed, "locate_due_at")
    use(timed, night_pause=tonight())
    assert act(timed, Action.COLLECT) == {}
    assert due(timed, Action.COLLECT) == []
    use(timed, night_pause="none")
    wait_for(timed, "locate_due_at")
    assert act(timed, Action.COLLECT) == {"collected": 6}

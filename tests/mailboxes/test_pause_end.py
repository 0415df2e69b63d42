"""A pause that ends on a date: the mailbox resumes by itself on its local date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.mail_kit import ADA, AT_ONCE, POOL, due
from support.removal_kit import request
from support.world import World


def today() -> date:
    """Return the date of the test, not that of its import, which may be of the day before."""
    return datetime.now(UTC).date()


@pytest.fixture
def warm(world: World) -> World:
    world.settings = AT_ONCE
    world.add(ADA, kind="warmup", expired=False)
    world.add(POOL[0], expired=False)
    return world


def pause(world: World, until: date | None, *addresses: str) -> int:
    with world.store.engine.begin() as connection:
        return repository.pause_mailboxes(connection, addresses or [ADA], actor="op", reason="holiday", until=until)


def move_end(world: World, days: int) -> None:
    world.sql("UPDATE gmail_warmup.mailbox SET paused_until = paused_until + :days", days=days)


def test_a_paused_mailbox_resumes_on_its_date(warm: World):
    assert pause(warm, today() + timedelta(days=3)) == 1
    assert due(warm, Action.SEND) == []
    move_end(warm, -2)  # two days later: the end is tomorrow
    assert due(warm, Action.SEND) == []
    move_end(warm, -1)
    due(warm, Action.SEND)
    assert due(warm, Action.SEND) == [ADA], "its slots begin when it resumes"
    record = warm.mailbox(ADA)
    assert (record.paused_at, record.pause_reason, record.paused_until) == (None, None, None)
    assert record.resumed_at is not None


def test_the_date_is_that_of_the_time_zone_of_the_mailbox(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET timezone = 'Pacific/Kiritimati' WHERE address = :a", a=ADA)
    warm.sql("UPDATE gmail_warmup.mailbox SET timezone = 'Etc/GMT+12' WHERE address = :a", a=POOL[0])
    pause(warm, today() + timedelta(days=3), ADA, POOL[0])
    # Of two places 26 hours apart, one has begun a date that the other has not.
    warm.sql("UPDATE gmail_warmup.mailbox SET paused_until = (now() AT TIME ZONE 'Pacific/Kiritimati')::date")
    due(warm, Action.SEND)
    assert warm.mailbox(ADA).paused_at is None
    assert warm.mailbox(POOL[0]).paused_at is not None


def test_a_mailbox_that_is_being_removed_stays_paused_after_its_date(warm: World):
    pause(warm, today() + timedelta(days=3))
    request(warm)
    move_end(warm, -3)
    assert due(warm, Action.SEND) == []
    assert warm.mailbox(ADA).paused_at is not None


def test_a_mailbox_that_is_being_removed_keeps_its_pause_and_the_reason(warm: World):
    request(warm)
    assert pause(warm, today() + timedelta(days=3)) == 0
    assert (warm.mailbox(ADA).pause_reason, warm.mailbox(ADA).paused_until) == ("it is being removed", None)


def test_a_dry_run_resumes_nothing(warm: World):
    pause(warm, today() + timedelta(days=2))
    move_end(warm, -3)
    with warm.store.engine.begin() as connection:
        assert find_due_mailboxes(connection, Action.SEND, warm.settings, remember=False) == []
    assert warm.mailbox(ADA).paused_at is not None


def test_the_end_of_a_pause_can_be_changed_and_removed(warm: World):
    assert pause(warm, None) == 1
    assert pause(warm, None) == 0
    assert pause(warm, today() + timedelta(days=9)) == 1
    assert pause(warm, today() + timedelta(days=9)) == 0
    assert warm.mailbox(ADA).paused_until == today() + timedelta(days=9)
    assert pause(warm, None) == 1
    assert warm.mailbox(ADA).paused_until is None
    with warm.store.engine.begin() as connection:
        assert repository.resume_mailboxes(connection, [ADA], actor="op") == 1


@pytest.mark.parametrize("days", [-400, -2, 3700])
def test_a_date_that_is_past_or_too_far_away_is_refused_and_nobody_is_paused(warm: World, days: int):
    with pytest.raises(InvalidInputError, match=f"until: .* must be after today and within ten years.*{ADA}"):
        pause(warm, today() + timedelta(days=days), ADA)
    assert warm.mailbox(ADA).paused_at is None

"""No two mails of a pair within 60 days have the same subject or text."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from gmail_warmup.core.enums import Action
from support.mail_kit import ADA, POOL, act, everybody, ledger, past, use
from support.world import World

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@pytest.fixture
def small(warm: World, tmp_path: Path) -> World:
    """Return a world with a single partner and templates for exactly twelve different mails of each kind."""
    subjects = " | ".join(f"Point {number}" for number in NUMBERS)
    lines = "Hello {recipient},\n\n" + " | ".join(f"It is about number {number}." for number in NUMBERS) + "\n"
    (tmp_path / "first.txt").write_text(f"== one\nSubject: {subjects}\n{lines}")
    (tmp_path / "replies.txt").write_text(f"== one\n{lines}")
    (tmp_path / "followups.txt").write_text(f"== one\n{lines}")
    use(warm, templates_folder=str(tmp_path))
    warm.sql("DELETE FROM gmail_warmup.mailbox WHERE address = :other", other=POOL[1])
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100, daily_target = 6")
    return warm


def converse(world: World) -> None:
    act(world, Action.SEND)
    everybody(world, Action.RESCUE, Action.READ, Action.REPLY, addresses=POOL[:1])
    act(world, Action.COLLECT)


def repeated(world: World) -> tuple[int, int]:
    """Return how many first mails repeat a subject, and how many mails repeat a text of their direction."""
    rows = ledger(world)
    subjects = Counter(row.subject for row in rows if row.parent_id is None)
    texts = Counter((row.sender_id, row.text_hash) for row in rows)
    return sum(subjects.values()) - len(subjects), sum(texts.values()) - len(texts)


def test_a_small_library_is_used_to_its_end_before_anything_is_repeated(small: World, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        converse(small)
        past(small, days=30)
        converse(small)
    assert len(ledger(small)) == 24
    assert repeated(small) == (0, 0)
    assert len({mail.subject for mail in small.sandbox.mails()} & {f"Point {number}" for number in NUMBERS}) == 12
    assert "too few templates" not in caplog.text
    past(small, days=1)
    with caplog.at_level(logging.WARNING):
        assert act(small, Action.SEND)["sent"] == 6, "a repetition is better than no mail"
    assert f"{ADA}: too few templates: a mail to {POOL[0]} repeats one of the last 60 days" in caplog.text


def test_after_sixty_days_everything_may_be_used_again(small: World, caplog: pytest.LogCaptureFixture):
    converse(small)
    for days in (30, 31):
        past(small, days=days)
        with caplog.at_level(logging.WARNING):
            converse(small)
    assert "too few templates" not in caplog.text


def test_mails_that_were_moved_to_the_history_count(small: World):
    converse(small)
    past(small, days=50)
    first = {row.subject for row in ledger(small)}
    move_to_history(small)
    converse(small)
    assert not first & {row.subject for row in ledger(small)}


def move_to_history(world: World) -> None:
    columns = ", ".join(ledger(world)[0]._mapping)
    world.sql("SELECT gmail_warmup.make_months(now() - interval '90 days', now())")
    world.sql(f"INSERT INTO gmail_warmup.ledger_history ({columns}) SELECT {columns} FROM gmail_warmup.ledger")
    world.sql("DELETE FROM gmail_warmup.ledger")


def test_the_built_in_library_repeats_nothing_in_hundred_mails_of_a_pair(warm: World):
    use(warm, ramp_start=25, thread_depth=2)
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100, daily_target = 25")
    warm.sql("DELETE FROM gmail_warmup.mailbox WHERE address = :other", other=POOL[1])
    for days in (1, 5, 8, 11):  # such that no day is moved to one that is in use
        warm.sandbox.advance(120)  # the units of a minute
        converse(warm)
        past(warm, days=days)
    assert len([row for row in ledger(warm) if row.parent_id is None]) >= 100
    assert repeated(warm) == (0, 0)


def test_only_a_hash_of_the_text_is_stored(small: World):
    converse(small)
    assert all(len(row.text_hash) == 32 for row in ledger(small))
    assert not small.rows("SELECT 1 FROM gmail_warmup.ledger l WHERE l::text LIKE '%It is about%'")

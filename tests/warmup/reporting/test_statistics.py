"""Statistics of one mailbox, of a page and of all mailboxes, with one query each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.enums import HealthBand as Band
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, UnknownMailboxError
from gmail_warmup.warmup.reporting.counts import MailCounts
from gmail_warmup.warmup.reporting.mailbox_statistics import (
    TodayStatistics,
    load_mailbox_statistics,
    load_page_statistics,
)
from gmail_warmup.warmup.reporting.totals import load_daily_counts, load_total_statistics
from support.mail_kit import ADA, POOL, act, everybody
from support.world import World

BEN = "ben@warm.example"


@contextmanager
def statements(world: World, expected: int) -> Iterator[sa.Connection]:
    """Yield a connection, and check the number of statements executed on it."""
    seen: list[str] = []
    with world.store.engine.begin() as connection:

        def note(*found: object) -> None:
            seen.append(str(found[2]))

        sa.event.listen(connection, "before_cursor_execute", note)
        yield connection
        assert len(seen) == expected


def days(world: World, address: str, *rows: tuple[int, dict[str, int]]) -> None:
    """Store the counts of earlier days, each given as its age in days and its counts."""
    for ago, counts in rows:
        values = {"planned": 40, "claimed": counts.get("sent", 0), "ramp": 40} | counts
        world.sql(
            f"INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, {', '.join(values)})"
            f" SELECT id, (now() AT TIME ZONE timezone)::date - :ago, {', '.join(f':{name}' for name in values)}"
            " FROM gmail_warmup.mailbox WHERE address = :address",
            address=address,
            ago=ago,
            **values,
        )


def test_what_happened_is_what_is_shown(warm: World):
    warm.sandbox.set(spam_chance=0.5)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ, Action.REPLY)
    google = warm.sandbox.mails()
    spam = sum(copy.placement == "SPAM" for mail in google[:6] for copy in mail.copies if copy.mailbox in mail.to)
    with statements(warm, 1) as connection:
        found = load_mailbox_statistics(connection, ADA.upper(), warm.settings)
    assert found.counts == MailCounts(sent=6, inbox=6 - spam, spam=spam, rescued=spam, read=6, replied=3)
    assert (found.counts.open_percent, found.counts.reply_percent) == (100.0, 50.0)
    assert found.today == TodayStatistics(ramp=6, planned=6, claimed=6, sent=6, pending=0, lowered_by=None)
    assert (found.warmup_day, found.phase, found.progress) == (1, "ramp, day 1 of 18", 15)
    assert (found.band, found.score) == (Band.HEALTHY, None)
    assert found.sample.placed == 6


def test_before_the_first_mail_of_a_day_the_plan_is_shown(warm: World):
    days(warm, ADA, (1, {"sent": 20, "inbox": 20}))
    warm.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 1, band = 'throttled', band_reason = 'spam_much'")
    with statements(warm, 1) as connection:
        found = load_mailbox_statistics(connection, ADA, warm.settings)
    assert found.today == TodayStatistics(ramp=8, planned=5, claimed=0, sent=0, pending=5, lowered_by="spam_much")
    assert (found.warmup_day, found.score) == (2, 100)


def test_the_day_is_that_of_the_mailbox(warm: World):
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # between them it is never the same day
        warm.sql("UPDATE gmail_warmup.mailbox SET timezone = :zone", zone=zone)
        warm.sql("TRUNCATE gmail_warmup.mailbox_day")
        days(warm, ADA, (0, {"sent": 3}), (1, {"sent": 30}))
        with warm.store.engine.begin() as connection:
            found = load_mailbox_statistics(connection, ADA, warm.settings, days=1)
        assert (found.today.sent, found.counts.sent) == (3, 3)


def test_a_page_has_its_warmup_mailboxes_in_one_query(warm: World):
    warm.add(BEN, kind="warmup")
    days(warm, BEN, (0, {"sent": 25, "inbox": 15, "spam": 10, "read": 20, "replied": 14}))
    ids = [warm.mailbox(address).id for address in (ADA, BEN, *POOL)]
    with statements(warm, 1) as connection:
        found = load_page_statistics(connection, ids, warm.settings)
    assert [one.address for one in found.values()] == [ADA, BEN]
    ben = found[warm.mailbox(BEN).id]
    assert (ben.score, ben.counts.spam_percent) == (0, 40.0)


def test_all_together(warm: World):
    warm.add(BEN, kind="warmup")
    days(warm, ADA, (0, {"sent": 5, "inbox": 5}), (3, {"sent": 7, "spam": 7}), (45, {"sent": 9}))
    days(warm, BEN, (0, {"sent": 1, "missing": 1}))
    warm.sql("UPDATE gmail_warmup.mailbox SET band = 'watch' WHERE address = :a", a=BEN)
    with statements(warm, 4) as connection:
        found = load_total_statistics(connection)
    assert (found.mailboxes, found.sent_today, found.planned_today) == (2, 6, 80)
    assert (found.counts.sent, found.counts.spam, found.counts.missing) == (13, 7, 1)
    assert found.bands == {Band.HEALTHY: 1, Band.WATCH: 1}
    with statements(warm, 1) as connection:
        by_day = load_daily_counts(connection)
    assert [day.counts.sent for day in by_day] == [7, 6]
    with statements(warm, 1) as connection:
        by_day = load_daily_counts(connection, mailbox_id=warm.mailbox(ADA).id, days=60)
    assert [day.counts.sent for day in by_day] == [9, 7, 5]


def test_without_mailboxes_everything_is_nought(world: World):
    with world.store.engine.begin() as connection:
        assert load_total_statistics(connection).counts == MailCounts()
        assert load_daily_counts(connection) == []


@pytest.mark.parametrize(
    ("address", "error"), [("nobody@warm.example", UnknownMailboxError), (POOL[0], InvalidInputError)]
)
def test_only_warmup_mailboxes_have_statistics(warm: World, address: str, error: type[GmailWarmupError]):
    with warm.store.engine.begin() as connection, pytest.raises(error, match=address):
        load_mailbox_statistics(connection, address, warm.settings)

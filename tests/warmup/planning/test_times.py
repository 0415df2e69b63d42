"""Due times in the ledger: each is a session of its mailbox, and none is in the night of the mailbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.errors import GmailUnavailableError
from gmail_warmup.warmup.planning.engagement import delay_until_reply
from gmail_warmup.warmup.planning.sessions import find_next_session
from support.mail_kit import ADA, POOL, act, copy_of, due, everybody, ledger, past, tonight, use
from support.world import World


@pytest.fixture
def timed(warm: World) -> World:
    """Return a world with delays of real length."""
    use(warm, ramp_start=12)
    act(warm, Action.SEND)  # the plan of a day takes a day; what follows is looked at
    use(warm, delay_scale=1.0, night_pause="none", important_rate=100, star_rate=100)
    return warm


def wait_for(world: World, column: str) -> None:
    world.sql(f"UPDATE gmail_warmup.ledger SET {column} = now() WHERE {column} > now()")


def session_of(world: World, mailbox_id: int, at: datetime) -> datetime:
    """Return the first session of a mailbox at or after a time."""
    address = world.rows("SELECT address FROM gmail_warmup.mailbox WHERE id = :id", id=mailbox_id)[0][0]
    return find_next_session(world.mailbox(address), at, world.settings)


def test_one_visit_finds_rescues_opens_and_marks(timed: World):
    use(timed, delay_scale=1e-9)
    past(timed, days=1)
    timed.sandbox.set(spam_chance=1)
    act(timed, Action.SEND)
    use(timed, delay_scale=1.0)
    mails = len(ledger(timed))
    done = everybody(timed, Action.RESCUE)
    assert done["rescued"] == done["placed_spam"] == mails - 12 > 0
    assert done["read"] == done["marked_important"] == done["marked_starred"] == mails
    assert all(row.read_at and row.marked_at for row in ledger(timed))
    for mail in timed.sandbox.mails():
        found = set(copy_of(mail).labels)
        assert {"IMPORTANT", "STARRED"} <= found
        assert {"UNREAD", "INBOX", "SPAM"}.isdisjoint(found)
    assert due(timed, Action.RESCUE) == due(timed, Action.READ) == due(timed, Action.REPLY) == []
    assert everybody(timed, Action.RESCUE, Action.READ) == {}


def test_a_reply_whose_delay_has_not_passed_waits_for_the_next_session(timed: World):
    everybody(timed, Action.RESCUE)
    answered = [row for row in ledger(timed) if row.reply_due_at]
    assert len(answered) == 6
    for row in answered:
        drawn = row.read_at + delay_until_reply(row.token)
        assert row.reply_due_at == session_of(timed, row.recipient_id, drawn)
        assert timedelta(0) <= row.reply_due_at - drawn < timedelta(minutes=48)
    assert due(timed, Action.REPLY) == []


def test_what_follows_a_reply_is_due_in_sessions(timed: World):
    """The sender looks for the reply, and the recipient for its bounce, in a session of its own."""
    everybody(timed, Action.RESCUE)
    wait_for(timed, "reply_due_at")
    timed.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = NULL")
    everybody(timed, Action.REPLY)
    replies = [row for row in ledger(timed) if row.parent_id]
    assert len(replies) == 6
    for reply in replies:
        assert reply.locate_due_at == session_of(timed, reply.recipient_id, reply.sent_at + timedelta(minutes=2))
    checks = timed.rows("SELECT id, notices_due_at FROM gmail_warmup.mailbox WHERE notices_due_at IS NOT NULL")
    for mailbox_id, checked_at in checks:
        first = min(reply.sent_at for reply in replies if reply.sender_id == mailbox_id)
        assert checked_at == session_of(timed, mailbox_id, first + timedelta(hours=1))


def test_a_mail_that_is_not_there_yet_is_searched_for_in_a_later_session(timed: World):
    timed.sandbox.add_fault("gmail.users.messages.list", answer={"status": 200, "body": {"resultSizeEstimate": 0}})
    assert everybody(timed, Action.RESCUE) == {"not_there_yet": 12}
    assert due(timed, Action.RESCUE) == []
    for row in ledger(timed):
        assert row.locate_due_at == session_of(timed, row.recipient_id, row.locate_due_at)
        assert row.locate_due_at >= datetime.now(UTC)


def test_overdue_sessions_are_one_visit(timed: World):
    """Whatever sessions have passed: one task does all that was due in them, and what follows waits for a session."""
    everybody(timed, Action.RESCUE)
    wait_for(timed, "reply_due_at")
    timed.sql("UPDATE gmail_warmup.ledger SET reply_due_at = reply_due_at - interval '1 hour' * (id % 9)")
    assert sorted(due(timed, Action.REPLY)) == sorted(POOL)
    assert everybody(timed, Action.REPLY) == {"replied": 6}
    assert all(due(timed, action) == [] for action in (Action.RESCUE, Action.READ, Action.REPLY))
    assert set(due(timed, Action.COLLECT)) <= {ADA}, "no reply is searched for before the next session"


@pytest.mark.parametrize("rate", [0, 100])
def test_important_and_star_are_rates(timed: World, rate: int):
    use(timed, important_rate=rate, star_rate=100 - rate)
    everybody(timed, Action.RESCUE)
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
    assert all(row.read_due_at == row.rescue_due_at for row in rows if row.placement == "spam")
    assert len({row.read_due_at for row in rows}) == len(POOL), "all of a mailbox waits for one session"
    changes = [call for address in POOL for call in timed.sandbox.calls(address) if call.method == "messages.modify"]
    assert changes == []


@pytest.mark.parametrize(("action", "column"), [(Action.READ, "read_due_at"), (Action.REPLY, "reply_due_at")])
def test_what_became_due_by_day_is_put_off_when_its_task_comes_late(timed: World, action: Action, column: str):
    if action is Action.REPLY:
        everybody(timed, Action.RESCUE)
    use(timed, night_pause=tonight())
    if action is Action.READ:
        everybody(timed, Action.RESCUE)
    wait_for(timed, column)
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
    use(timed, night_pause="23:00-07:00")
    assert act(timed, Action.RESCUE, POOL[0])["read"] > 0
    assert "read" not in act(timed, Action.RESCUE, POOL[1])


def test_the_sender_reads_its_answers_by_day(timed: World):
    everybody(timed, Action.RESCUE)
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

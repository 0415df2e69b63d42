"""Collect: bounces and auto-replies are matched by identity only, counted once and archived; and what it costs."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.gmail.errors import GmailError
from gmail_warmup.warmup.actions.bounces import MAX_READ_PER_SEARCH, record_bounce
from support.mail_kit import ADA, POOL, act, copy_of, counted, due, everybody, labels, ledger, past, use
from support.workers import hook
from support.world import World

DAEMON = "mailer-daemon@sandbox.example"


def notices(world: World, address: str = ADA) -> list[str]:
    """Return the ids of the bounces and auto-replies in a mailbox."""
    return hook(world, address).search_messages("in:anywhere -in:sent -from:pool.example", limit=50)


def out_of_sight(found: frozenset[str]) -> bool:
    return {"INBOX", "UNREAD"}.isdisjoint(found) and any(label.startswith("Label_") for label in found)


@pytest.mark.parametrize(
    ("status", "failed"), [("5.1.1", True), ("5.2.2", True), ("5.7.26", True), ("4.4.1", False), ("4.2.2", False)]
)
def test_a_bounce_is_found_counted_once_and_put_out_of_sight(warm: World, status: str, failed: bool):
    warm.sandbox.put_mailbox(POOL[0], refuses_with=status)
    warm.sandbox.put_mailbox(POOL[1], refuses_with=status)
    act(warm, Action.SEND)
    done = act(warm, Action.COLLECT)
    assert done == ({"bounced": 6} if failed else {})
    rows = ledger(warm)
    assert {row.bounce_status for row in rows} == {status}
    assert [row.bounced_at is not None for row in rows] == [failed] * 6
    found = notices(warm)
    assert len(found) == 6
    assert all(out_of_sight(labels(warm, ADA, message_id)) for message_id in found)
    assert sorted(found) == sorted(message_id for row in rows for message_id in row.notice_ids)
    warm.sql("UPDATE gmail_warmup.mailbox SET history_id = NULL, notices_due_at = now()")
    assert act(warm, Action.COLLECT) == {}, "a second search finds nothing new"
    assert counted(warm, "sent", "bounced", "missing") == (6, 6 if failed else 0, 0)


def test_a_mail_that_bounced_is_looked_for_no_longer(warm: World):
    for address in POOL:
        warm.sandbox.put_mailbox(address, refuses_with="5.1.1")
    act(warm, Action.SEND)
    act(warm, Action.COLLECT)
    assert due(warm, Action.RESCUE) == []
    past(warm, days=3)
    everybody(warm, Action.RESCUE)
    assert counted(warm, "bounced", "missing") == (6, 0)


def test_mails_to_a_deleted_account_bounce_although_nobody_works_there(warm: World):
    """No task can search for them at the recipient, but the sender receives the bounces."""
    for address in POOL:
        warm.sandbox.delete_mailbox(address)
    act(warm, Action.SEND)
    assert due(warm, Action.COLLECT) == [ADA]
    assert act(warm, Action.COLLECT) == {"bounced": 6}


def test_a_delay_may_end_in_a_bounce_days_later(warm: World):
    for address in POOL:
        warm.sandbox.put_mailbox(address, refuses_with="4.4.1")
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    act(warm, Action.COLLECT)
    past(warm, days=1.5)
    everybody(warm, Action.RESCUE)
    assert counted(warm, "missing", "bounced") == (1, 0)
    mail = warm.sandbox.mails()[0]
    gmail = hook(warm, ADA)
    delayed = gmail.get_raw_message(ledger(warm)[0].notice_ids[0])
    final = delayed.replace(b"Action: delayed", b"Action: failed").replace(b"Status: 4.4.1", b"Status: 4.4.7")
    final = final.partition(b"\n")[2].replace(b"Message-ID: <CA", b"Message-ID: <CB", 1)
    warm.sandbox.deliver(ADA, sender=DAEMON, raw=final.decode())
    assert due(warm, Action.COLLECT) == [ADA], "bounces are searched for until the mail is found or has bounced"
    assert act(warm, Action.COLLECT) == {"bounced": 1}
    assert (ledger(warm)[0].bounce_status, mail.bounced) == ("4.4.7", mail.to)
    assert counted(warm, "missing", "bounced") == (1, 1)


def test_an_answer_that_bounces_is_noted_at_who_answered(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100 WHERE address = :ada", ada=ADA)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    warm.sandbox.put_mailbox(ADA, refuses_with="5.2.2")
    everybody(warm, Action.REPLY)
    assert everybody(warm, Action.COLLECT) == {"bounced": 6}
    assert {row.bounce_status for row in ledger(warm) if row.turn == 2} == {"5.2.2"}
    assert due(warm, Action.COLLECT) == [ADA]
    assert act(warm, Action.COLLECT) == {}, "a reply that bounced is not searched for at its recipient"
    assert due(warm, Action.COLLECT) == []
    assert counted(warm, "replied", "bounced") == (6, 0), "the day counts first mails only"


def test_an_auto_reply_is_no_reply(warm: World):
    for address in POOL:
        warm.sandbox.put_mailbox(address, vacation="I am away until Monday.")
    act(warm, Action.SEND)
    assert act(warm, Action.COLLECT) == {"auto_replies": 6}
    rows = ledger(warm)
    assert all(row.auto_replied_at and not row.replied_at and not row.bounced_at for row in rows)
    assert counted(warm, "replied", "bounced") == (0, 0)
    assert all(out_of_sight(labels(warm, ADA, row.notice_ids[0])) for row in rows)
    warm.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = now()")
    assert act(warm, Action.COLLECT) == {}


def test_only_notices_that_name_our_mail_are_touched(warm: World):
    """Not touched: notices for a person's own mails, a person's reply in a warmup thread, and forged subjects."""
    act(warm, Action.SEND)
    mail = warm.sandbox.mails()[0]
    answer = {"In-Reply-To": mail.rfc_message_id, "References": mail.rfc_message_id}
    sender, subject = mail.to[0], f"Re: {mail.subject}"
    theirs = [
        warm.sandbox.deliver(ADA, sender=sender, subject=subject, text="By hand.", headers=answer),
        warm.sandbox.deliver(ADA, sender=sender, subject=mail.subject, headers={"Auto-Submitted": "auto-replied"}),
        warm.sandbox.deliver(
            ADA,
            sender=DAEMON,
            raw=BOUNCE.format(daemon=DAEMON, subject=mail.subject, message_id="<of.the.person@warm.example>"),
        ),
    ]
    before = [labels(warm, ADA, one.message_id) for one in theirs]
    seen = len(warm.sandbox.calls(ADA))
    assert act(warm, Action.COLLECT) == {}
    looked_at = {call.target for call in warm.sandbox.calls(ADA)[seen:] if call.method == "messages.get"}
    assert theirs[1].message_id not in looked_at, "a message outside the threads of warmup mail is not read"
    assert [labels(warm, ADA, one.message_id) for one in theirs] == before
    assert all(row.bounced_at is None and row.auto_replied_at is None for row in ledger(warm))


BOUNCE = """From: {daemon}
Subject: {subject}
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; somebody@elsewhere.example
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

Subject: {subject}
Message-ID: {message_id}

Text.
--b--
"""


def test_a_look_costs_little(warm: World):
    """In a mailbox full of other mail it costs one history request, and no message is read."""
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    for number in range(20):
        warm.sandbox.deliver(ADA, sender="boss@corp.example", subject=f"Numbers {number}")
    before = warm.sandbox.stats().mailboxes[ADA]
    assert act(warm, Action.COLLECT) == {}
    after = warm.sandbox.stats().mailboxes[ADA]
    assert after.units - before.units == 2
    assert due(warm, Action.COLLECT) == []
    assert act(warm, Action.COLLECT) == {}
    assert warm.sandbox.stats().mailboxes[ADA].units == after.units, "nothing was sent since"


@pytest.mark.parametrize("history_id", ["1", "invalid"], ids=["too old", "invalid"])
def test_history_that_google_forgot_is_made_up_for_by_a_search(warm: World, history_id: str):
    for address in POOL:
        warm.sandbox.put_mailbox(address, refuses_with="5.1.1")
    act(warm, Action.SEND)
    warm.sql("UPDATE gmail_warmup.mailbox SET history_id = :id WHERE address = :ada", ada=ADA, id=history_id)
    assert act(warm, Action.COLLECT) == {"bounced": 6}
    assert warm.rows("SELECT history_id FROM gmail_warmup.mailbox WHERE address = :ada", ada=ADA) != [(history_id,)]


def test_a_look_that_was_cut_off_is_done_again(warm: World):
    for address in POOL:
        warm.sandbox.put_mailbox(address, refuses_with="5.1.1")
    act(warm, Action.SEND)
    warm.sandbox.add_fault("gmail.users.messages.modify", close=True, times=1, when="after")
    with pytest.raises(GmailError):
        act(warm, Action.COLLECT)
    assert act(warm, Action.COLLECT)["bounced"] == 6
    assert counted(warm, "bounced") == (6,)


def test_a_delivered_mail_did_not_bounce_whatever_a_notice_says(warm: World):
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    mail = warm.sandbox.mails()[0]
    forged = BOUNCE.format(daemon=DAEMON, subject="x", message_id=mail.rfc_message_id)
    warm.sandbox.deliver(
        ADA, sender=DAEMON, raw=f"In-Reply-To: {mail.rfc_message_id}\nSubject: Re: {mail.subject}\n{forged}"
    )
    act(warm, Action.COLLECT)
    assert counted(warm, "bounced", "inbox") == (0, 6)
    assert copy_of(mail).placement == "INBOX"


def test_a_notice_that_two_tasks_read_counts_once(warm: World):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    bounce = Bounce(is_final=True, status="5.1.1", tokens=frozenset(), message_ids=frozenset())
    with warm.store.engine.begin() as connection:
        assert [written(connection, 1, "message", bounce) for written in (record_bounce, record_bounce)] == [
            True,
            False,
        ]
    assert ledger(warm)[0].notice_ids == ["message"]
    assert counted(warm, "bounced") == (1,)


@pytest.mark.parametrize("form", ["rfc3464", "rfc6533", "empty_status", "text"])
@pytest.mark.parametrize(("status", "failed"), [("5.1.1", True), ("4.4.1", False)])
def test_a_notice_in_every_form_that_google_sends_is_understood(warm: World, form: str, status: str, failed: bool):
    for address in POOL:
        warm.sandbox.put_mailbox(address, refuses_with=status, bounce_form=form)
    act(warm, Action.SEND)
    assert act(warm, Action.COLLECT) == ({"bounced": 6} if failed else {})
    assert [row.bounced_at is not None for row in ledger(warm)] == [failed] * 6
    assert all(row.notice_ids and row.bounce_kind for row in ledger(warm))
    assert all(out_of_sight(labels(warm, ADA, message_id)) for message_id in notices(warm))


def test_a_rejection_is_told_from_an_unknown_recipient(warm: World):
    warm.sandbox.put_mailbox(POOL[0], refuses_with="5.1.1")
    warm.sandbox.put_mailbox(POOL[1], refuses_with="5.7.26")
    act(warm, Action.SEND)
    act(warm, Action.COLLECT)
    assert counted(warm, "bounced", "rejected") == (6, 3)
    kinds = {(row.bounce_status, row.bounce_kind, row.bounce_text) for row in ledger(warm)}
    assert kinds == {
        ("5.1.1", "unknown_recipient", "550 5.1.1 The email account that you tried to reach does not exist."),
        ("5.7.26", "rejected", "550 5.7.26 The recipient refuses it."),
    }


@pytest.mark.parametrize("form", ["rfc3464", "empty_status", "text"])
@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja"])
def test_a_notice_of_the_sending_limit_ends_the_day_and_is_no_bounce(warm: World, language: str, form: str):
    """Gmail accepts the mails with 200 and takes them back by mail."""
    warm.sandbox.put_mailbox(ADA, limit_notice=language, bounce_form=form)
    assert act(warm, Action.SEND) == {"sent": 6}
    assert act(warm, Action.COLLECT) == {"refused": 6}
    assert_taken_back(warm, ADA, 6)
    assert due(warm, Action.RESCUE) == [], "its recipients do not search for it"
    assert counted(warm, "failed", "bounced", "rejected", "missing") == (6, 0, 0, 0)
    assert warm.mailbox(ADA).band == "healthy"


def test_a_notice_of_the_sending_limit_about_a_reply(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100")
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    warm.sandbox.put_mailbox(POOL[0], limit_notice="en")
    replied = act(warm, Action.REPLY, POOL[0])["replied"]
    assert act(warm, Action.COLLECT, POOL[0]) == {"refused": replied}
    assert_taken_back(warm, POOL[0], replied)


def assert_taken_back(world: World, sender: str, mails: int) -> None:
    """Check what is stored, and that a second check does nothing."""
    rows = [row for row in ledger(world) if row.failure]
    assert [(row.status, row.failure, row.bounce_kind) for row in rows] == [
        ("failed", "sending_limit", "sending_limit")
    ] * mails
    mailbox = world.mailbox(sender)
    assert (mailbox.deferred_reason, mailbox.deferred_until.astimezone(mailbox.zone).hour) == ("sending_limit", 0)
    assert mailbox.half_volume_on
    assert all(out_of_sight(labels(world, sender, row.notice_ids[0])) for row in rows)
    world.sql("UPDATE gmail_warmup.mailbox SET deferred_until = NULL, history_id = NULL, notices_due_at = now()")
    assert act(world, Action.COLLECT, sender) == {}
    assert world.mailbox(sender).deferred_until is None, "a notice that was read does not defer the mailbox again"


def test_a_limit_notice_about_an_old_mail_does_not_end_the_day(warm: World):
    warm.sandbox.put_mailbox(ADA, limit_notice="en")
    act(warm, Action.SEND)
    past(warm, days=1.5)
    assert act(warm, Action.COLLECT) == {"refused": 6}
    assert warm.mailbox(ADA).deferred_until is None


def flood(world: World, count: int) -> list[str]:
    """Deliver notices of the mail system about mails of the person; return their ids."""
    return [
        world.sandbox.deliver(
            ADA, sender=DAEMON, raw=BOUNCE.format(daemon=DAEMON, subject=f"Yours {n}", message_id=f"<{n}@warm.example>")
        ).message_id
        for n in range(count)
    ]


def read_by(world: World, *, since: int = 0) -> list[str]:
    """Return the messages that were read, once for each request."""
    return [call.target for call in world.sandbox.calls(ADA)[since:] if call.method == "messages.get"]


@pytest.mark.parametrize("newer", [0, 19, 20, 60])
def test_our_bounce_behind_newer_foreign_notices_is_found_and_each_is_read_once(warm: World, newer: int):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    mail = warm.sandbox.mails()[0]
    older = flood(warm, 2)
    ours = warm.sandbox.deliver(
        ADA, sender=DAEMON, raw=BOUNCE.format(daemon=DAEMON, subject="Other", message_id=mail.rfc_message_id)
    ).message_id
    foreign = older + flood(warm, newer)
    before = [labels(warm, ADA, message_id) for message_id in foreign]
    seen = len(warm.sandbox.calls(ADA))
    done: Counter[str] = Counter()
    for _ in range(3):
        warm.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = now() WHERE address = :ada", ada=ADA)
        begun = len(warm.sandbox.calls(ADA))
        done.update(act(warm, Action.COLLECT))
        # History, one list, the notices, and the label of our own.
        assert len(warm.sandbox.calls(ADA)) - begun <= MAX_READ_PER_SEARCH + 5
    assert done == {"bounced": 1}
    read = read_by(warm, since=seen)
    assert sorted(read) == sorted({*read}), "each is read once"
    assert {*read} <= {ours, *foreign}
    assert {ours, *foreign[-newer or len(foreign) :]} <= {*read}
    assert [labels(warm, ADA, message_id) for message_id in foreign] == before
    assert counted(warm, "bounced", "rejected", "missing") == (1, 0, 0)


def test_a_search_that_was_cut_off_reads_nothing_twice(warm: World):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    message_id = warm.sandbox.mails()[0].rfc_message_id
    flood(warm, 3)
    warm.sandbox.deliver(ADA, sender=DAEMON, raw=BOUNCE.format(daemon=DAEMON, subject="x", message_id=message_id))
    newer = flood(warm, 3)
    warm.sandbox.add_fault("gmail.users.messages.modify", close=True, times=1)
    with pytest.raises(GmailError):
        act(warm, Action.COLLECT)
    seen = len(warm.sandbox.calls(ADA))
    assert act(warm, Action.COLLECT) == {"bounced": 1}
    read = read_by(warm, since=seen)
    assert (len(read), {*read} & {*newer}) == (4, set())


def test_more_notices_than_a_check_reads_are_read_soon(warm: World):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    use(warm, delay_scale=1, night_pause="none")
    warm.sql("UPDATE gmail_warmup.ledger SET sent_at = sent_at - interval '5 hours'")
    warm.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = now()")
    flood(warm, MAX_READ_PER_SEARCH + 1)
    act(warm, Action.COLLECT)
    (row,) = warm.rows("SELECT notices_due_at - now() FROM gmail_warmup.mailbox WHERE address = :ada", ada=ADA)
    assert timedelta(minutes=14) < row[0] <= timedelta(minutes=15 + 48), "in the first session after 15 minutes"

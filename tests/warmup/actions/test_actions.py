"""Actions on a real PostgreSQL against the Google stand-in; asserts on Google's side and on the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import MailboxBusyError
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.errors import GmailError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth.errors import FlaggedGrantError
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.planning.daily_plan import SendingHistory, find_due_slots, plan_todays_slots
from gmail_warmup.warmup.planning.slots import select_due_slots
from support.mail_kit import ADA, HEADER, POOL, act, copy_of, due, everybody, labels, ledger, past, use
from support.workers import hook
from support.world import World


def test_the_whole_life_of_a_mail(warm: World):
    warm.sandbox.set(spam_chance=0.5)
    assert due(warm, Action.SEND) == [ADA]
    assert act(warm, Action.SEND) == {"sent": 6}
    assert due(warm, Action.SEND) == []
    mails = warm.sandbox.mails()
    spam = sum(copy_of(mail).placement == "SPAM" for mail in mails)
    assert len(mails) == 6
    assert 0 < spam < 6

    done = everybody(warm, Action.RESCUE)
    assert sum(row.placement == "spam" for row in ledger(warm)) == spam == done["rescued"]
    assert all("SPAM" not in copy_of(mail).labels for mail in warm.sandbox.mails())

    assert done["read"] == 6, "a mail is opened in the visit that finds it"
    assert due(warm, Action.READ) == []
    assert all({"UNREAD", "INBOX"}.isdisjoint(copy_of(mail).labels) for mail in warm.sandbox.mails())

    assert everybody(warm, Action.REPLY) == {"replied": 3}
    replies = [mail for mail in warm.sandbox.mails() if "in-reply-to" in mail.headers]
    firsts = {mail.rfc_message_id: mail for mail in warm.sandbox.mails() if "in-reply-to" not in mail.headers}
    assert len(replies) == 3
    for reply in replies:
        question = firsts[reply.headers["in-reply-to"]]
        assert reply.sender == question.to[0]
        assert reply.thread_id == copy_of(question).thread_id
        assert reply.subject == f"Re: {question.subject}"

    assert ADA in due(warm, Action.COLLECT)
    assert act(warm, Action.COLLECT) == {"collected": 3}
    everybody(warm, Action.COLLECT)
    assert [address for action in Action for address in due(warm, action)] == []


def test_warmup_mail_is_out_of_sight_on_both_sides(warm: World):
    """Includes mails that are not opened, and mails that are rescued but not opened."""
    warm.sandbox.set(spam_chance=0.5)
    warm.sql("UPDATE gmail_warmup.mailbox SET open_rate = 50, reply_rate = 50 WHERE address = :ada", ada=ADA)
    use(warm, ramp_start=20)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ, Action.REPLY)
    act(warm, Action.COLLECT)
    mails = warm.sandbox.mails()
    assert len(mails) == 30
    assert sum("UNREAD" in copy_of(mail).labels for mail in mails) == 10
    for mail in mails:
        for copy in mail.copies:
            assert {"INBOX", "SPAM"}.isdisjoint(copy.labels)
            assert any(label.startswith("Label_") for label in copy.labels), copy
        sent = labels(warm, mail.sender, mail.message_id)
        assert any(label.startswith("Label_") for label in sent)


def test_a_killed_task_leaves_nothing_in_sight(warm: World):
    """A mail that is not opened is archived even if the task that recorded its placement was killed right after."""
    warm.sql("UPDATE gmail_warmup.mailbox SET open_rate = 0 WHERE address = :ada", ada=ADA)
    act(warm, Action.SEND)
    warm.sandbox.add_fault("gmail.users.messages.modify", close=True, times=2)
    for address in POOL:
        with pytest.raises(GmailError):
            act(warm, Action.RESCUE, address)
    assert set(due(warm, Action.READ)) == set(POOL)
    everybody(warm, Action.READ)
    assert all("INBOX" not in copy_of(mail).labels for mail in warm.sandbox.mails())


@pytest.mark.parametrize("change", ["deleted by the person", "named otherwise in the settings"])
def test_the_label_is_made_again(warm: World, change: str):
    use(warm, gmail_label="Mail/Warmup")
    act(warm, Action.SEND)
    names = warm.sandbox.mailbox(ADA).label_names
    assert sorted(names.values()) == ["Mail", "Mail/Warmup"]
    if change == "deleted by the person":
        gone = next(label for label, name in names.items() if name == "Mail/Warmup")
        gmail = hook(warm, ADA)
        gmail._execute_request(gmail._api.labels.delete(userId="me", id=gone))
    else:
        use(warm, gmail_label="Other")
    past(warm, days=1)
    assert act(warm, Action.SEND)["sent"] == 8
    names = warm.sandbox.mailbox(ADA).label_names
    made = next(label for label, name in names.items() if name == warm.settings.gmail_label)
    assert all(made in labels(warm, ADA, mail.message_id) for mail in warm.sandbox.mails()[6:])


def test_what_is_not_rescued_is_left_alone(warm: World):
    use(warm, rescue_rate=0)
    warm.sandbox.set(spam_chance=1)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ, Action.REPLY)
    assert all(copy_of(mail).labels == ["SPAM", "UNREAD"] for mail in warm.sandbox.mails())
    assert all(row.placement == "spam" and row.read_due_at is None for row in ledger(warm))


def test_repeating_an_action_does_nothing_twice(warm: World):
    for action in (Action.SEND, Action.RESCUE, Action.READ, Action.REPLY, Action.COLLECT):
        for _ in range(3):
            act(warm, action)
            everybody(warm, action)
    mails = warm.sandbox.mails()
    assert len(mails) == len({mail.headers[HEADER] for mail in mails}) == 6 + 3


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("gmail.users.drafts.create", "before"),
        ("gmail.users.drafts.create", "after"),
        ("gmail.users.drafts.send", "before"),
        ("gmail.users.drafts.send", "after"),
        ("gmail.users.messages.get", "before"),
        ("gmail.users.messages.modify", "before"),
    ],
)
@pytest.mark.parametrize("action", [Action.SEND, Action.REPLY])
def test_an_answer_lost_at_any_step_costs_and_doubles_no_mail(warm: World, action: Action, where: str, when: str):
    if action is Action.REPLY:
        act(warm, Action.SEND)
        everybody(warm, Action.RESCUE)
        everybody(warm, Action.READ)
    before = len(warm.sandbox.mails())
    warm.sandbox.add_fault(where, close=True, times=1, when=when)
    addresses = POOL if action is Action.REPLY else (ADA,)
    failures = 0
    for _ in range(3):
        for address in addresses:
            try:
                act(warm, action, address)
            except GmailError:
                failures += 1
    assert failures == 1
    sent = warm.sandbox.mails()[before:]
    assert len(sent) == (3 if action is Action.REPLY else 6)
    assert len({mail.headers[HEADER] for mail in sent}) == len(sent)
    assert all(row.status == "sent" for row in ledger(warm))


_REFUSED = {"name": "gmail.bad_request"}


@pytest.mark.parametrize(
    "answers",
    [
        [("messages.get", _REFUSED)],
        [("drafts.send", {"close": True, "when": "after"}), ("messages.list", _REFUSED)],
    ],
    ids=["read-back", "looked-for"],
)
def test_a_mail_that_went_out_is_not_given_up_because_gmail_refuses_to_show_it(warm: World, answers: list):
    for call, how in answers:
        warm.sandbox.add_fault(f"gmail.users.{call}", times=1, **how)
        with pytest.raises(GmailError):
            act(warm, Action.SEND)
    act(warm, Action.SEND)
    assert all(fault.hits for fault in warm.sandbox.faults())
    assert {row.token for row in ledger(warm)} == {mail.headers[HEADER] for mail in warm.sandbox.mails()}
    assert len(warm.sandbox.mails()) == 6
    assert all(row.status == "sent" for row in ledger(warm))


def test_only_identified_mail_is_touched(warm: World):
    """A colleague's mail from the same sender, with the same subject, is not changed."""
    act(warm, Action.SEND)
    mail = warm.sandbox.mails()[0]
    theirs = warm.sandbox.deliver(mail.to[0], sender=ADA, subject=mail.subject, text="A real question.")
    before = hook(warm, mail.to[0]).get_message(theirs.message_id)
    for action in (Action.RESCUE, Action.READ, Action.REPLY):
        everybody(warm, action)
    assert hook(warm, mail.to[0]).get_message(theirs.message_id) == before


def test_volume_holds_whatever_the_order_of_runs(warm: World):
    for _ in range(4):
        act(warm, Action.SEND)
    assert len(warm.sandbox.mails()) == 6
    past(warm, days=1)
    act(warm, Action.SEND)
    assert len(warm.sandbox.mails()) == 6 + 8  # the second day of the ramp


def test_a_day_without_a_mail_does_not_count(warm: World):
    act(warm, Action.SEND)
    past(warm, days=30)
    act(warm, Action.SEND)
    assert len(warm.sandbox.mails()) == 6 + 8


def test_one_gap_between_two_mails_also_after_an_outage(warm: World):
    """At 14:00, after an outage since the morning, the overdue slots go out one gap apart."""
    settings = Settings(ramp_start=9)
    now = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    mailbox = replace(warm.mailbox(ADA), created_at=now - timedelta(days=30))
    claimed = {minutes: SendingHistory(last_claim=now - timedelta(minutes=minutes)) for minutes in (3, 5)}
    assert (
        len(
            select_due_slots(
                plan_todays_slots(mailbox, SendingHistory(), now=now, settings=settings), now=now, claimed=()
            )
        )
        > 2
    )
    assert len(find_due_slots(mailbox, SendingHistory(), now=now, settings=settings)) == 1
    assert find_due_slots(mailbox, claimed[3], now=now, settings=settings) == ()
    assert len(find_due_slots(mailbox, claimed[5], now=now, settings=settings)) == 1
    for outside in (now.replace(hour=8), now.replace(hour=18), now.replace(day=28)):
        assert find_due_slots(mailbox, SendingHistory(), now=outside, settings=settings) == ()


def test_a_full_pool_sends_less_and_says_so(warm: World):
    use(warm, pool_daily_cap=2)
    assert act(warm, Action.SEND) == {"sent": 4, "without_partner": 1}


def test_a_paused_or_flagged_mailbox_has_nothing_due(warm: World):
    with warm.store.engine.begin() as connection:
        repository.pause_mailboxes(connection, [ADA], actor="test", reason="holiday")
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}
    with warm.store.engine.begin() as connection:
        repository.resume_mailboxes(connection, [ADA], actor="test")
    assert due(warm, Action.SEND) == [ADA]
    warm.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    assert due(warm, Action.SEND) == []


def test_a_mailbox_has_one_task_at_a_time(warm: World):
    with warm.store.engine.begin() as connection:
        assert mailbox_lease.acquire_lease(connection, warm.mailbox(ADA).id, holder="other task", seconds=60)
    with pytest.raises(MailboxBusyError, match=ADA):
        act(warm, Action.SEND)
    assert warm.sandbox.mails() == []


def test_the_sending_limit_defers_the_mailbox_for_the_day(warm: World):
    warm.sandbox.add_fault("gmail.users.drafts.send", name="gmail.mail_sending_429", address=ADA)
    with pytest.raises(SendingLimitError):
        act(warm, Action.SEND)
    assert warm.mailbox(ADA).deferred_until > datetime.now(UTC)
    assert due(warm, Action.SEND) == []


def test_a_grant_that_dies_between_plan_and_task_is_flagged(warm: World):
    warm.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    warm.sandbox.revoke_grants(ADA, cause="revoked")
    assert due(warm, Action.SEND) == [ADA]
    with pytest.raises(FlaggedGrantError):
        act(warm, Action.SEND)
    assert due(warm, Action.SEND) == []
    assert warm.token_requests(ADA) == 1


def test_an_access_token_that_gmail_rejects_is_refreshed_once(warm: World):
    warm.sandbox.add_fault("gmail", name="gmail.auth_error", address=ADA, times=1)
    assert act(warm, Action.SEND) == {"sent": 6}
    assert warm.token_requests(ADA) == 1


def test_a_mail_that_went_out_is_recorded_also_when_gmail_refuses_its_label(warm: World, caplog):
    refused = {"status": 400, "body": {"error": {"code": 400, "message": "Invalid label name"}}}
    warm.sandbox.add_fault("gmail.users.labels.create", answer=refused, address=ADA)
    assert act(warm, Action.SEND) == {"sent": 6}
    assert [row.status for row in ledger(warm)] == ["sent"] * 6
    assert len(warm.sandbox.mails()) == 6
    assert f"{ADA}: Gmail refuses to file" in caplog.text
    everybody(warm, Action.RESCUE)
    assert all(row.placement for row in ledger(warm)), "its recipient continues with it"


def test_the_rates_hold_over_the_ledger(warm: World):
    use(warm, ramp_start=40)
    warm.sql("UPDATE gmail_warmup.mailbox SET open_rate = 80, reply_rate = 55 WHERE address = :ada", ada=ADA)
    act(warm, Action.SEND)
    for action in (Action.RESCUE, Action.READ, Action.REPLY):
        everybody(warm, action)
    rows = [row for row in ledger(warm) if row.parent_id is None]
    assert len(rows) == 40
    assert sum(row.read_at is not None for row in rows) == pytest.approx(32, abs=1)
    assert sum(row.replied_at is not None for row in rows) == pytest.approx(22, abs=1)

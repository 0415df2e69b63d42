"""Threads: each turn is sent once, with the complete chain of references and in each side's own Gmail thread."""

from __future__ import annotations

from collections import defaultdict

import pytest

from gmail_sandbox.control.report_models import MailOut
from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.errors import GmailError
from gmail_warmup.warmup.planning.engagement import continues_thread
from support.mail_kit import ADA, HEADER, POOL, act, copy_of, counted, due, everybody, ledger, use
from support.workers import hook
from support.world import World


def talk(world: World) -> None:
    """Run every action in every mailbox, often enough for the longest thread."""
    everybody(world, Action.RESCUE, Action.READ)
    for _ in range(5):
        everybody(world, Action.REPLY, Action.COLLECT, addresses=(*POOL, ADA))


def threads(world: World) -> list[list[MailOut]]:
    """Return the mails by thread in the order of their turns, as grouped by the ledger."""
    mails = {mail.headers[HEADER]: mail for mail in world.sandbox.mails()}
    parents = {row.id: row.parent_id for row in ledger(world)}
    grouped = defaultdict(list)
    for row in ledger(world):
        root = row.id
        while parents[root]:
            root = parents[root]
        grouped[root].append(mails[row.token])
    return list(grouped.values())


@pytest.fixture
def talkative(warm: World) -> World:
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100 WHERE address = :ada", ada=ADA)
    warm.sandbox.set(units=False)  # days of traffic happen within a minute here
    return warm


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_a_thread_has_its_depth_and_its_turns(talkative: World, depth: int):
    use(talkative, thread_depth=depth)
    talkative.sandbox.set(spam_chance=0.3)
    act(talkative, Action.SEND)
    talk(talkative)
    found = threads(talkative)
    assert [len(mails) for mails in found] == [depth] * 6
    for mails in found:
        first = mails[0]
        assert [mail.sender for mail in mails] == [ADA, first.to[0]] * (depth // 2) + [ADA] * (depth % 2)
        assert {mail.subject for mail in mails[1:]} == {f"Re: {first.subject}"}
        assert len({copy_of(mail).thread_id if mail.sender == ADA else mail.thread_id for mail in mails}) == 1
        assert len({mail.thread_id if mail.sender == ADA else copy_of(mail).thread_id for mail in mails}) == 1
        for turn, mail in enumerate(mails[1:], 1):
            assert mail.headers["in-reply-to"] == mails[turn - 1].rfc_message_id
            assert mail.headers["references"].split() == [earlier.rfc_message_id for earlier in mails[:turn]]
    everybody(talkative, Action.COLLECT)  # collects the last replies
    for action in (Action.RESCUE, Action.READ, Action.REPLY, Action.COLLECT):
        assert due(talkative, action) == []


def test_only_first_mails_count_for_the_ramp_and_the_rates(talkative: World):
    use(talkative, thread_depth=3)
    act(talkative, Action.SEND)
    talk(talkative)
    assert len(talkative.sandbox.mails()) == 18
    assert counted(talkative, "sent", "read", "replied") == (6, 6, 6)
    assert act(talkative, Action.SEND) == {}


def test_how_many_threads_go_on_is_the_senders_reply_rate(talkative: World):
    talkative.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 50 WHERE address = :ada", ada=ADA)
    use(talkative, thread_depth=4, ramp_start=20)
    act(talkative, Action.SEND)
    talk(talkative)
    lengths = [len(mails) for mails in threads(talkative)]
    assert sum(length >= 2 for length in lengths) == 10
    going_on = [continues_thread(row.token, rate=50) for row in ledger(talkative) if row.turn == 2]
    assert sum(length >= 3 for length in lengths) == sum(going_on)  # the tokens are random, so it may be none or all


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("gmail.users.drafts.create", "after"),
        ("gmail.users.drafts.send", "before"),
        ("gmail.users.drafts.send", "after"),
        ("gmail.users.messages.get", "before"),
        ("gmail.users.messages.modify", "after"),
    ],
)
def test_a_follow_up_is_sent_once_whatever_is_lost(talkative: World, where: str, when: str):
    use(talkative, thread_depth=3)
    act(talkative, Action.SEND)
    everybody(talkative, Action.RESCUE, Action.READ, Action.REPLY)
    act(talkative, Action.COLLECT)
    talkative.sandbox.add_fault(where, close=True, times=1, when=when)
    failures = 0
    for _ in range(3):
        try:
            act(talkative, Action.REPLY)
        except GmailError:
            failures += 1
    assert failures == 1
    follow_ups = [row for row in ledger(talkative) if row.turn == 3]
    assert len(talkative.sandbox.mails()) == 18
    assert [row.status for row in follow_ups] == ["sent"] * 6


def test_a_thread_that_the_person_deleted_ends(talkative: World):
    use(talkative, thread_depth=6)
    act(talkative, Action.SEND)
    everybody(talkative, Action.RESCUE, Action.READ)
    for mail in talkative.sandbox.mails():
        talkative.sql(
            "UPDATE gmail_warmup.ledger SET recipient_thread_id = 'gone' WHERE token = :token",
            token=mail.headers[HEADER],
        )
    assert everybody(talkative, Action.REPLY) == {"refused": 6}
    assert due(talkative, Action.REPLY) == []
    assert {row.failure for row in ledger(talkative) if row.turn == 2} == {"thread_gone"}
    talk(talkative)
    assert len(talkative.sandbox.mails()) == 6


def test_a_reply_whose_draft_was_deleted_is_given_up_after_a_day(talkative: World):
    use(talkative, ramp_start=1)
    act(talkative, Action.SEND)
    everybody(talkative, Action.RESCUE, Action.READ)
    (address,) = due(talkative, Action.REPLY)
    talkative.sandbox.add_fault("gmail.users.drafts.send", close=True, times=1)
    with pytest.raises(GmailError):
        act(talkative, Action.REPLY, address)
    hook(talkative, address).delete_draft(ledger(talkative)[1].draft_id)
    assert act(talkative, Action.REPLY, address) == {"unresolved": 1}
    assert due(talkative, Action.REPLY) == [address], "the search may lag, so it is looked up again"
    talkative.sql("UPDATE gmail_warmup.ledger SET claimed_at = claimed_at - interval '25 hours' WHERE turn = 2")
    assert act(talkative, Action.REPLY, address) == {"unresolved": 1}
    assert [row.failure for row in ledger(talkative)] == [None, "draft_gone"]
    assert due(talkative, Action.REPLY) == []
    assert len(talkative.sandbox.mails()) == 1


def test_a_deferred_mailbox_answers_tomorrow(talkative: World):
    act(talkative, Action.SEND)
    everybody(talkative, Action.RESCUE, Action.READ)
    talkative.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now() + interval '1 hour'")
    assert due(talkative, Action.REPLY) == []
    assert everybody(talkative, Action.REPLY) == {}
    talkative.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now()")
    assert everybody(talkative, Action.REPLY) == {"replied": 6}

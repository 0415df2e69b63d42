"""Retention: an expired warmup mail is moved to the trash on both sides, and no other message is."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.warmup.ledger import retention
from support.mail_kit import ADA, POOL, act, copy_of, due, everybody, labels, ledger, past, use
from support.world import World


def let_live(world: World) -> None:
    act(world, Action.SEND)
    everybody(world, Action.RESCUE, Action.READ, Action.REPLY)
    everybody(world, Action.COLLECT, addresses=(ADA, *POOL))


def in_trash(world: World) -> list[bool]:
    sent = [labels(world, mail.sender, mail.message_id) for mail in world.sandbox.mails()]
    received = [frozenset(copy_of(mail).labels) for mail in world.sandbox.mails()]
    return ["TRASH" in found for found in (*sent, *received)]


def test_old_mail_goes_to_the_trash_on_both_sides(warm: World):
    let_live(warm)
    stranger = warm.sandbox.deliver(POOL[0], sender=ADA, subject=warm.sandbox.mails()[0].subject)
    past(warm, days=29)
    everybody(warm, Action.COLLECT, addresses=(ADA, *POOL))
    assert not any(in_trash(warm))
    past(warm, days=1.5)
    done = everybody(warm, Action.COLLECT, addresses=(ADA, *POOL))
    assert done["trashed"] == 2 * len(warm.sandbox.mails()) == 18
    assert all(in_trash(warm))
    assert labels(warm, POOL[0], stranger.message_id) == {"INBOX", "UNREAD"}
    assert everybody(warm, Action.COLLECT, addresses=(ADA, *POOL)) == {}


@pytest.mark.parametrize(("days", "trashed"), [(0, False), (7, True), (60, False)])
def test_the_days_are_a_setting(warm: World, days: int, trashed: bool):
    use(warm, retention_days=days)
    let_live(warm)
    past(warm, days=20)
    everybody(warm, Action.COLLECT, addresses=(ADA, *POOL))
    assert set(in_trash(warm)) == {trashed}


def test_no_task_is_made_for_less_than_a_days_worth(warm: World):
    let_live(warm)
    past(warm, days=30.5)
    assert due(warm, Action.COLLECT) == []
    past(warm, days=1)
    assert set(due(warm, Action.COLLECT)) == {ADA, *POOL}


def test_a_task_takes_a_bounded_number_with_one_call(warm: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "TRASH_BATCH_SIZE", 4)
    let_live(warm)
    past(warm, days=40)
    calls = warm.sandbox.stats().mailboxes[ADA].calls.get("messages.batchModify", 0)
    assert act(warm, Action.COLLECT)["trashed"] == 4 + 3  # sent, and received
    assert warm.sandbox.stats().mailboxes[ADA].calls["messages.batchModify"] == calls + 1
    assert due(warm, Action.COLLECT)
    assert act(warm, Action.COLLECT)["trashed"] == 2


def test_bounces_and_auto_replies_go_with_their_mail(warm: World):
    warm.sandbox.put_mailbox(POOL[0], refuses_with="5.1.1")
    warm.sandbox.put_mailbox(POOL[1], vacation="Away.")
    let_live(warm)
    notices = [message_id for row in ledger(warm) for message_id in row.notice_ids]
    assert len(notices) >= 6
    past(warm, days=31)
    act(warm, Action.COLLECT)
    assert all("TRASH" in labels(warm, ADA, message_id) for message_id in notices)


def test_what_the_person_deleted_holds_nothing_up(warm: World):
    let_live(warm)
    warm.sql("UPDATE gmail_warmup.ledger SET gmail_id = 'gone' WHERE id = 1")
    past(warm, days=31)
    act(warm, Action.COLLECT)
    assert all(row.sender_trashed_at for row in ledger(warm) if row.parent_id is None)

"""A task loses its lease in the middle: another one continues, and no mail is sent or counted twice."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import MailboxBusyError
from gmail_warmup.gmail.client import GmailClient
from support.mail_kit import ADA, HEADER, act, counted, everybody, ledger
from support.workers import hook
from support.world import World

STEPS = ["create_draft", "send_draft", "get_message", "modify_labels"]


def overtaken(world: World, monkeypatch: pytest.MonkeyPatch, step: str, *, before: bool, address: str, action: Action):
    """Make the first call of a step take longer than the lease while another task does all of the work."""
    whole = getattr(GmailClient, step)
    first = True

    def slow(self: GmailClient, *args: Any, **kwargs: Any) -> Any:
        nonlocal first
        if not first:
            return whole(self, *args, **kwargs)
        first = False
        answer = None if before else whole(self, *args, **kwargs)
        world.sql("UPDATE gmail_warmup.mailbox SET lease_until = now() - interval '1 second'")
        act(world, action, address)
        return whole(self, *args, **kwargs) if before else answer

    monkeypatch.setattr(GmailClient, step, slow)


@pytest.mark.parametrize("before", [True, False], ids=["before the call", "after the call"])
@pytest.mark.parametrize("step", STEPS)
def test_of_two_tasks_with_one_mail_one_sends_it(warm: World, monkeypatch: pytest.MonkeyPatch, step: str, before: bool):
    overtaken(warm, monkeypatch, step, before=before, address=ADA, action=Action.SEND)
    with pytest.raises(MailboxBusyError, match=ADA):
        act(warm, Action.SEND)
    monkeypatch.undo()
    act(warm, Action.SEND)
    mails = warm.sandbox.mails()
    assert len({mail.headers[HEADER] for mail in mails}) == len(mails) == 6
    assert {row.status for row in ledger(warm)} == {"sent"}
    assert counted(warm, "planned", "claimed", "sent", "failed") == (6, 6, 6, 0)
    assert warm.rows("SELECT warmup_days FROM gmail_warmup.mailbox WHERE address = :a", a=ADA) == [(1,)]
    assert hook(warm, ADA).search_messages("in:draft", limit=10) == [], "the second draft is deleted"


@pytest.mark.parametrize("step", STEPS)
def test_of_two_tasks_with_one_answer_one_sends_it(warm: World, monkeypatch: pytest.MonkeyPatch, step: str):
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    (address, *_), *_ = warm.rows(
        "SELECT address, count(*) FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = recipient_id"
        " WHERE reply_due_at IS NOT NULL GROUP BY address ORDER BY 2 DESC"
    )
    overtaken(warm, monkeypatch, step, before=True, address=address, action=Action.REPLY)
    try:
        act(warm, Action.REPLY, address)
    except MailboxBusyError:
        pass  # it had more than one reply to send, or noticed before sending
    monkeypatch.undo()
    everybody(warm, Action.REPLY)
    answers = warm.sandbox.mails()[6:]
    assert len({mail.headers["in-reply-to"] for mail in answers}) == len(answers) == 3
    assert counted(warm, "replied") == (3,)


def test_a_task_keeps_the_mailbox_while_it_goes_on(warm: World):
    """Every step that sends extends the lease, so a task loses it only while it is suspended."""
    warm.settings = warm.settings.model_copy(update={"mailbox_lease": 30})
    whole, left = GmailClient.send_draft, []

    def send(self: GmailClient, draft_id: str) -> str:
        left.extend(warm.rows("SELECT extract(epoch FROM lease_until - now()) FROM gmail_warmup.mailbox WHERE id = 1"))
        warm.sql("UPDATE gmail_warmup.mailbox SET lease_until = lease_until - interval '20 seconds'")
        return whole(self, draft_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GmailClient, "send_draft", send)
        assert act(warm, Action.SEND) == {"sent": 6}
    assert len(left) == 6
    assert min(seconds for (seconds,) in left) > 20

"""A draft that a lost response left behind is found and deleted later, unless a person has edited it."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.errors import GmailError
from support.days import move_days
from support.mail_kit import ADA, HEADER, act, due, ledger
from support.workers import hook
from support.world import World
from warmup.actions.test_changed_drafts import EDITS, OUTSIDER, edited


def drafts(world: World) -> list[str]:
    return hook(world, ADA).search_messages("in:draft", limit=20)


def lose_draft(world: World) -> None:
    """Create a draft whose id is lost with the response."""
    world.sandbox.add_fault("gmail.users.drafts.create", close=True, times=1, when="after")
    with pytest.raises(GmailError):
        act(world, Action.SEND)
    world.sandbox.clear_faults()
    assert len(drafts(world)) == 1


def hide_draft(world: World) -> None:
    """Let Gmail's search not find the draft yet."""
    world.sandbox.add_fault(
        "gmail.users.drafts.list", answer={"status": 200, "body": {"resultSizeEstimate": 0}}, times=1
    )


def send_another(world: World) -> str:
    act(world, Action.SEND)
    return "sent"


def refuse(world: World) -> str:
    world.sandbox.add_fault("gmail.users.drafts.send", name="gmail.invalid_argument", times=1)
    act(world, Action.SEND)
    return "failed"


def withdraw(world: World) -> str:
    move_days(world, "ledger", "mailbox_day")
    act(world, Action.SEND)
    return "failed"


@pytest.mark.parametrize("end", [send_another, refuse, withdraw])
def test_a_draft_that_was_left_behind_is_deleted(warm: World, end: Any):
    lose_draft(warm)
    hide_draft(warm)
    status = end(warm)
    (first, *_) = ledger(warm)
    assert first.status == status
    assert drafts(warm), "it is left behind"
    assert ADA in due(warm, Action.COLLECT)
    act(warm, Action.COLLECT)
    assert drafts(warm) == []
    tokens = [mail.headers[HEADER] for mail in warm.sandbox.mails()]
    assert len(tokens) == len(set(tokens))
    assert {row.stray_draft_due_at for row in ledger(warm)} == {None}


@pytest.mark.parametrize("name", [name for name, changes in EDITS.items() if "Message-ID" not in changes])
def test_a_draft_that_a_person_edited_is_left(warm: World, name: str, caplog: pytest.LogCaptureFixture):
    lose_draft(warm)
    hide_draft(warm)
    act(warm, Action.SEND)
    (first, *_) = ledger(warm)
    gmail = hook(warm, ADA)
    (draft,) = gmail.find_drafts(mime.make_message_id(first.token, ADA))
    headers = gmail.get_draft_message(draft.id).headers
    names = {"to": "To", "from": "From", "subject": "Subject", "message-id": "Message-ID", HEADER: HEADER}
    raw = edited({names[key]: value for key, value in headers.items() if key in names}, **EDITS[name])
    gmail._execute_json(gmail._api.drafts.update(userId="me", id=draft.id, body={"message": {"raw": raw}}))
    message_id = gmail.get_draft_message(draft.id).id
    act(warm, Action.COLLECT)
    assert gmail.get_draft_message(draft.id).id == message_id
    assert "it is left [draft_changed]" in caplog.text
    assert [mail for mail in warm.sandbox.mails() if OUTSIDER in str(mail.headers)] == []
    act(warm, Action.COLLECT)
    assert caplog.text.count("it is left [draft_changed]") == 1, "it is not searched for again"


def test_a_mail_that_was_sent_at_once_is_not_searched_for(warm: World):
    act(warm, Action.SEND)
    assert {row.stray_draft_due_at for row in ledger(warm)} == {None}


def test_a_draft_of_a_mail_that_is_still_to_be_sent_is_kept(warm: World):
    lose_draft(warm)
    warm.sql("UPDATE gmail_warmup.ledger SET stray_draft_due_at = now()")
    act(warm, Action.COLLECT)
    assert len(drafts(warm)) == 1
    act(warm, Action.SEND)
    act(warm, Action.COLLECT)
    assert drafts(warm) == []
    assert {row.status for row in ledger(warm)} == {"sent"}

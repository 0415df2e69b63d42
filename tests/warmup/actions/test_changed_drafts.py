"""What an earlier task left at Gmail: a draft that a person edited is left alone, a sent mail is found and recorded."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.errors import GmailError
from support.days import move_days
from support.mail_kit import ADA, HEADER, POOL, act, everybody, hook, ledger
from support.world import World

OUTSIDER = "customer@outside.example"


def edited(draft: dict[str, str], **changes: str | None) -> str:
    """Return a draft's message as a person rewrote it, in base64url; None removes a header."""
    message = EmailMessage()
    for name, value in (draft | changes).items():
        if value is not None:
            message[name] = value
    message.set_content("Dear customer, this is my own text.\n")
    return base64.urlsafe_b64encode(message.as_bytes()).decode()


EDITS: dict[str, dict[str, str | None]] = {
    "rewritten in Gmail": {"To": OUTSIDER, HEADER: None, "Message-ID": "<own@mail.example>"},
    "another recipient": {"To": OUTSIDER},
    "one more recipient": {"Cc": OUTSIDER},
    "a hidden recipient": {"Bcc": OUTSIDER},
    "another Message-ID": {"Message-ID": "<own@mail.example>"},
    "another token": {HEADER: "other"},
    "no token": {HEADER: None},
}


def leave_draft(warm: World, action: Action, address: str) -> tuple[Any, str, dict[str, str]]:
    """Run an action that stops between the draft and its sending; return the client, the draft's id and its headers."""
    warm.sandbox.add_fault("gmail.users.drafts.send", close=True, times=1, when="before")
    with pytest.raises(GmailError):
        act(warm, action, address)
    row = next(row for row in ledger(warm) if row.status == "drafted")
    gmail = hook(warm, address)
    message = gmail.get_draft_message(row.draft_id)
    names = {"to": "To", "from": "From", "subject": "Subject", "message-id": "Message-ID", HEADER.lower(): HEADER}
    return gmail, row.draft_id, {names[name]: value for name, value in message.headers.items() if name in names}


def edit(gmail: Any, draft_id: str, headers: dict[str, str], changes: dict[str, str | None]) -> str:
    """Replace the draft's message, as Gmail's own page does; return the id of the new message."""
    raw = edited(headers, **changes)
    gmail._execute_json(gmail._api.drafts.update(userId="me", id=draft_id, body={"message": {"raw": raw}}))
    return gmail.get_draft_message(draft_id).id


@pytest.mark.parametrize("changes", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("action", [Action.SEND, Action.REPLY])
def test_an_edited_draft_is_neither_sent_nor_deleted(warm: World, action: Action, changes: dict[str, str | None]):
    address = ADA
    if action is Action.REPLY:
        act(warm, Action.SEND)
        everybody(warm, Action.RESCUE, Action.READ)
        address = next(box for box in POOL if warm.rows(
            "SELECT 1 FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = l.recipient_id"
            " WHERE m.address = :box AND reply_due_at IS NOT NULL", box=box,
        ))  # fmt: skip
    gmail, draft_id, headers = leave_draft(warm, action, address)
    message_id = edit(gmail, draft_id, headers, changes)
    token = headers[HEADER]
    act(warm, action, address)
    assert gmail.get_draft_message(draft_id).id == message_id, "the person's draft is as it was"
    assert [mail for mail in warm.sandbox.mails() if OUTSIDER in str(mail.headers)] == []
    assert [mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == token] == []
    (row,) = [row for row in ledger(warm) if row.token == token]
    assert (row.status, row.failure) == ("failed", "draft_changed")


def test_an_edited_draft_is_not_deleted_on_a_later_day(warm: World, caplog: pytest.LogCaptureFixture):
    gmail, draft_id, headers = leave_draft(warm, Action.SEND, ADA)
    message_id = edit(gmail, draft_id, headers, EDITS["rewritten in Gmail"])
    move_days(warm, "ledger", "mailbox_day")
    act(warm, Action.SEND)
    assert gmail.get_draft_message(draft_id).id == message_id
    assert "a person has edited the draft" in caplog.text


def test_an_untouched_draft_is_sent(warm: World):
    _, _, headers = leave_draft(warm, Action.SEND, ADA)
    act(warm, Action.SEND)
    assert len([mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == headers[HEADER]]) == 1


def lose_the_answer(warm: World) -> str:
    """Send a mail whose response is lost; return its token."""
    warm.sandbox.add_fault("gmail.users.drafts.send", close=True, times=1, when="after")
    with pytest.raises(GmailError):
        act(warm, Action.SEND)
    return str(next(row for row in ledger(warm) if row.status == "drafted").token)


def test_a_sent_mail_is_found_behind_many_others_and_those_that_vanish(warm: World):
    token = lose_the_answer(warm)
    (lost,) = [mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == token]
    gmail, recipient = hook(warm, ADA), lost.headers["to"]
    headers = {"From": ADA, "To": recipient, "Subject": "Own mail"}
    for number in range(120):
        draft = gmail.create_draft(edited(headers, **{"Message-ID": f"<{number}@own.example>"}))
        gmail.send_draft(draft.id)
        if number % 40 == 0:
            warm.sandbox.advance(61)  # the quota of a minute
    # The newest messages are deleted between the search and the reading.
    warm.sandbox.advance(61)
    warm.sandbox.add_fault("gmail.users.messages.get", name="gmail.not_found", times=3)
    act(warm, Action.SEND)
    (row,) = [row for row in ledger(warm) if row.token == token]
    assert row.status == "sent"
    assert len([mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == token]) == 1

"""A mailbox is blocked while a task works in it: the task sends nothing more, and changes nothing more at Gmail."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.client import GmailClient
from support.mail_kit import ADA, HEADER, POOL, act, everybody, find_at_night, ledger
from support.world import World

MAILBOX, GRANT = "UPDATE gmail_warmup.mailbox SET", "UPDATE gmail_warmup.oauth_grant SET"
UNBLOCK = (
    f"{MAILBOX} paused_at = NULL, band = 'healthy', deferred_until = NULL",
    f"{GRANT} state = 'active', reason = NULL",
    "DELETE FROM gmail_warmup.domain_check",
)
BLOCK_ALL = {
    "paused": f"{MAILBOX} paused_at = now(), paused_by = 'op', pause_reason = 'holiday'",
    "flagged": f"{GRANT} state = 'needs_reauth', reason = 'expired_or_revoked'",
}
BLOCK_SENDING = {
    "domain gated": "INSERT INTO gmail_warmup.domain_check (domain, record, result, code, bad_code, bad_since,"
    " bad_seen_at) SELECT DISTINCT domain, 'spf', 'bad', 'spf_missing', 'spf_missing', now() - interval '80 hours',"
    " now() FROM gmail_warmup.mailbox",
    "deferred": f"{MAILBOX} deferred_until = now() + interval '1 day', deferred_reason = 'sending_limit'",
}
BLOCK_WARMUP = {"blocked by health": f"{MAILBOX} band = 'blocked', band_reason = 'spam_too_much', band_since = now()"}


def block_after(world: World, monkeypatch: pytest.MonkeyPatch, step: str, block: str) -> list[str]:
    """Block all mailboxes when a step at Gmail ends for the first time; return the steps as they are called."""
    calls = list[str]()

    def wrap(name: str) -> None:
        whole = getattr(GmailClient, name)

        def call(self: GmailClient, *args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            try:
                return whole(self, *args, **kwargs)
            finally:
                if name == step and calls.count(name) == 1:
                    world.sql(block)

        monkeypatch.setattr(GmailClient, name, call)

    for name in ("create_draft", "send_draft", "modify_labels", "trash_messages"):
        wrap(name)
    return calls


def count_mails(world: World) -> int:
    return len(world.sandbox.mails())


@pytest.mark.parametrize("block", (found := BLOCK_ALL | BLOCK_SENDING | BLOCK_WARMUP).values(), ids=found)
@pytest.mark.parametrize("step", ["create_draft", "send_draft", "modify_labels"])
def test_no_first_mail_is_sent(warm: World, monkeypatch: pytest.MonkeyPatch, step: str, block: str):
    calls = block_after(warm, monkeypatch, step, block)
    act(warm, Action.SEND)
    monkeypatch.undo()
    assert calls.count("create_draft") == 1
    assert count_mails(warm) == (0 if step == "create_draft" else 1)
    for statement in UNBLOCK:
        warm.sql(statement)
    act(warm, Action.SEND)
    tokens = [mail.headers[HEADER] for mail in warm.sandbox.mails()]
    assert len(tokens) == len(set(tokens)) == 6


@pytest.mark.parametrize("block", (found := BLOCK_ALL | BLOCK_SENDING).values(), ids=found)
@pytest.mark.parametrize("step", ["create_draft", "send_draft", "modify_labels"])
def test_no_answer_is_sent(warm: World, monkeypatch: pytest.MonkeyPatch, step: str, block: str):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100")
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    before = count_mails(warm)
    block_after(warm, monkeypatch, step, block)
    act(warm, Action.REPLY, POOL[0])
    monkeypatch.undo()
    assert count_mails(warm) == before + (0 if step == "create_draft" else 1)
    for statement in UNBLOCK:
        warm.sql(statement)
    everybody(warm, Action.REPLY)
    assert {row.status for row in ledger(warm)} == {"sent"}
    assert count_mails(warm) == 2 * before


@pytest.mark.parametrize("block", BLOCK_ALL.values(), ids=BLOCK_ALL)
@pytest.mark.parametrize("action", [Action.RESCUE, Action.READ, Action.COLLECT])
def test_nothing_more_is_changed(warm: World, monkeypatch: pytest.MonkeyPatch, action: Action, block: str):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100, open_rate = 100")
    warm.sandbox.set(spam_chance=int(action is Action.RESCUE))
    act(warm, Action.SEND)
    if action is Action.READ:
        find_at_night(warm)
    elif action is Action.COLLECT:
        everybody(warm, Action.RESCUE, Action.REPLY)
    address = ADA if action is Action.COLLECT else POOL[0]
    calls = block_after(warm, monkeypatch, "modify_labels", block)
    act(warm, action, address)
    assert calls == ["modify_labels"]

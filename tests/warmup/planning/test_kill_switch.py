"""The kill switch stops every action immediately, and each log names the person, the time and the reason."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import StoppedError
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.warmup.planning import kill_switch
from support.mail_kit import ADA, POOL, act, due, everybody
from support.world import World


def stop(world: World, reason: str = "wrong template") -> bool:
    with world.store.engine.begin() as connection:
        return kill_switch.begin_halt(connection, by="cli:eva", reason=reason)


def start(world: World) -> kill_switch.HaltRecord | None:
    with world.store.engine.begin() as connection:
        return kill_switch.end_halt(connection, by="cli:eva")


def test_nothing_is_due_and_nothing_is_done_while_everything_is_stopped(warm: World, caplog: pytest.LogCaptureFixture):
    assert act(warm, Action.SEND) == {"sent": 6}
    assert stop(warm)
    before = {address: len(warm.sandbox.calls(address)) for address in (ADA, *POOL)}
    for action in Action:
        assert due(warm, action) == []
        assert everybody(warm, action, addresses=(ADA, *POOL)) == {}
    assert {address: len(warm.sandbox.calls(address)) for address in (ADA, *POOL)} == before
    (line,) = {record.getMessage() for record in caplog.records if "Stopped since" in record.getMessage()}
    for part in ("UTC by cli:eva: wrong template.", "gmail-warmup start"):
        assert part in line
    assert "\n" not in line
    ended = start(warm)
    assert ended is not None
    assert ended.reason == "wrong template"
    assert due(warm, Action.RESCUE) != []


@pytest.mark.parametrize("step", ["create_draft", "send_draft", "modify_labels"])
def test_a_task_in_the_middle_sends_nothing_more(warm: World, monkeypatch: pytest.MonkeyPatch, step: str):
    """A halt during a Gmail call lets that call finish and prevents the next draft, send or claim."""
    whole = getattr(GmailClient, step)
    calls = 0

    def then_stop(self: GmailClient, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        try:
            return whole(self, *args, **kwargs)
        finally:
            stop(warm)

    monkeypatch.setattr(GmailClient, step, then_stop)
    with pytest.raises(StoppedError, match="wrong template"):
        act(warm, Action.SEND)
    monkeypatch.undo()
    assert calls == 1
    assert len(warm.sandbox.mails()) == (0 if step == "create_draft" else 1)
    start(warm)
    act(warm, Action.SEND)
    tokens = [mail.headers["x-warmup-id"] for mail in warm.sandbox.mails()]
    assert len(tokens) == len(set(tokens)) == 6


def test_a_second_stop_keeps_the_first_reason_and_the_history_stays(warm: World):
    assert stop(warm, "first")
    assert not stop(warm, "second")
    with warm.store.engine.begin() as connection:
        assert kill_switch.get_active_halt(connection).reason == "first"
    assert start(warm).reason == "first"
    assert start(warm) is None
    assert stop(warm, "third")
    history = "SELECT reason, started_by, ended_by, ended_at IS NOT NULL FROM gmail_warmup.halt ORDER BY id"
    assert warm.rows(history) == [("first", "cli:eva", "cli:eva", True), ("third", "cli:eva", None, False)]

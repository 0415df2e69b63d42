"""``backlog``, ``stats``, ``stop``, ``start`` and ``mailboxes requalify`` as a user sees them."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from support.mail_kit import ADA, AT_ONCE, POOL, act, due
from support.world import World


@pytest.fixture
def warm(world: World) -> World:
    world.settings = AT_ONCE
    world.add(ADA, kind="warmup", expired=False)
    world.add(POOL[0], kind="pool", expired=False)
    return world


def test_the_backlog_is_counted_by_action(warm: World, shell: Any, monkeypatch: pytest.MonkeyPatch):
    warm.add("ben@warm.example", kind="warmup", expired=False)
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "1")
    due(warm, Action.SEND)  # the plan notes when each one is due

    def counted() -> dict[str, tuple[int, int]]:
        found = shell.json("backlog")
        assert found["mapped_at_most"] == 1
        return {one["action"]: (one["mailboxes"], one["runs"]) for one in found["actions"]}

    assert counted() == {"send": (2, 2), "rescue": (0, 0), "read": (0, 0), "reply": (0, 0), "collect": (0, 0)}
    act(warm, Action.SEND)
    assert (counted()["send"], counted()["rescue"]) == ((1, 1), (1, 1))
    warm.sql("UPDATE gmail_warmup.mailbox SET paused_at = now()")
    assert counted()["send"] == (0, 0)
    assert "waiting since (UTC)" in shell("backlog")


def test_stop_and_start(warm: World, shell: Any):
    assert "Nothing was stopped." in shell("start")
    said = shell("stop", "--reason", "wrong template")
    assert "wrong template" in said
    assert "gmail-warmup start" in said
    assert act(warm, Action.SEND) == {}
    assert "Already stopped." in shell("stop", "--reason", "another")
    assert shell.json("stop", "--reason", "another")["reason"] == "wrong template"
    assert "It was stopped by cli:" in shell("start")
    assert act(warm, Action.SEND) == {"sent": 6}
    shell("stop", "--reason", " ", code=2)


def test_stats_of_one_mailbox_and_of_all(warm: World, shell: Any):
    act(warm, Action.SEND)
    said = " ".join(shell("stats", ADA).split())
    for part in (
        "6 sent, 0 pending; the ramp allows 6",
        "ramp, day 1 of 18",
        "healthy",
        "none yet: 0 of the required 20",
    ):
        assert part in said
    assert "1 healthy" in shell("stats")
    found = shell.json("stats", ADA, "--days", "1")
    assert (found["address"], found["today"]["sent"], len(found["days"])) == (ADA, 6, 1)
    assert shell.json("stats")["counts"]["sent"] == 6
    shell("stats", "nobody@warm.example", code=2)


def test_requalify(warm: World, shell: Any):
    warm.sql("UPDATE gmail_warmup.mailbox SET band = 'blocked', band_reason = 'spam_mostly' WHERE kind = 'warmup'")
    assert f"gmail-warmup mailboxes requalify {ADA}" in " ".join(shell("stats", ADA).split())
    assert "health: blocked" in shell("mailboxes", "list")
    assert "Requalified 1 of 1 mailbox." in shell("mailboxes", "requalify", ADA)
    assert act(warm, Action.SEND) == {"sent": 5}
    assert shell.json("mailboxes", "requalify", ADA)["unchanged"] == 1
    shell("mailboxes", "requalify", "nobody@warm.example", code=2)

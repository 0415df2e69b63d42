"""Every command that changes something records who did it, when, and what, exactly once; and ``changes`` lists it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.test_docs import commands
from cli.test_move_in import token
from gmail_warmup.cli import app
from support.world import World

ADA, NEW = "ada@pool.example", "new@pool.example"
_PAUSED = {"paused_at": None, "pause_reason": None}
_BLOCKED = "UPDATE gmail_warmup.mailbox SET kind = 'warmup', band = 'blocked', band_reason = 'spam_mostly'"

CASES: dict[str, tuple[tuple[str, ...], tuple[tuple[str, str, Any, Any], ...]]] = {
    "mailboxes add": ((NEW, "--kind", "pool"), (("mailbox_add", NEW, None, {"kind": "pool", "daily_target": 40}),)),
    "mailboxes pause": ((ADA, "--reason", "why"), (("mailbox_pause", ADA, _PAUSED, {"pause_reason": "why"}),)),
    "mailboxes resume": ((ADA,), (("mailbox_resume", ADA, {"pause_reason": "before"}, _PAUSED),)),
    "mailboxes assign": (
        (ADA, "--add-tag", "sales"),
        (("mailbox_change", ADA, {"tags": []}, {"tags": ["sales"]}),),
    ),
    "mailboxes schedule set": (
        (ADA, "--value", "ramp_cap=9"),
        (("mailbox_change", ADA, {"ramp_cap": None}, {"ramp_cap": 9}),),
    ),
    "mailboxes requalify": ((ADA,), (("mailbox_requalify", ADA, {"band": "blocked"}, {"band": "paused"}),)),
    "mailboxes invite": ((ADA,), (("invite_create", ADA, None, {"invite_id": 2}),)),
    "invites revoke": (("1",), (("invite_revoke", ADA, {"invite_id": 1}, None),)),
    "stop": (("--reason", "why"), (("halt_begin", "", None, {"reason": "why"}),)),
    "start": ((), (("halt_end", "", {"reason": "before"}, None),)),
    "mailboxes import": (
        ("{file}",),
        (
            ("mailbox_change", ADA, {"open_rate": None}, {"open_rate": 9}),
            ("import", "", None, {"added": 0, "updated": 1, "paused": 0, "grants": 0}),
        ),
    ),
    "mailboxes export": (("{out}",), (("export", "", None, {"format": "csv", "mailboxes": 1}),)),
    "move-in tokens": (
        ("{tokens}", "--kind", "pool"),
        (("mailbox_add", NEW, None, {"kind": "pool"}), ("import", "", None, {"added": 1, "grants": 1})),
    ),
    "clients set": (
        ("second", "--user-limit", "9"),
        (("client_set", "second", None, {"user_limit": 9, "tags": []}),),
    ),
    "clients retire": (("second",), (("client_retire", "second", None, {"grants": 0}),)),
    "clients reopen": (("second",), (("client_reopen", "second", None, None),)),
    "grants rotate": ((), (("key_rotation", "", None, {"keys": 1}),)),
}
"""The commands that change something: their words, and what is recorded."""
UNRECORDED = {
    "init", "doctor", "dns", "stats", "backlog", "changes", "report", "upkeep", "content lint",
    "mailboxes list", "mailboxes readiness", "invites list", "grants show", "grants events", "grants refresh",
    "grants audit", "move-in database", "mailboxes sync", "mailboxes tags", "mailboxes removals",
    "mailboxes remove", "mailboxes rename", "mailboxes export-data", "webhooks list", "webhooks receivers",
    "webhooks repeat", "webhooks secret", "webhooks test",
    "mailboxes schedule show", "clients list", "clients move",
}  # fmt: skip
"""The commands that change nothing that a person decides; ``move-in database`` imports like ``move-in tokens``,
``mailboxes sync``, ``remove``, ``rename`` and ``export-data`` are recorded (tests/cli/mailboxes), and what sends
webhooks is tried with the routes."""


@pytest.fixture
def prepared(world: World, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Prepare a mailbox and files; return the files by name."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    monkeypatch.setenv("GMAIL_WARMUP_PASSPHRASE", "a passphrase that is long")
    second = {"conn_type": "gmail_oauth_client", "login": "client-2.apps.example.com", "password": "GOCSPX-2"}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(second))
    world.add(ADA)
    shell("mailboxes", "invite", ADA)
    (tmp_path / "mailboxes.csv").write_text(f"address,kind,open_rate\n{ADA},pool,9\n")
    (tmp_path / f"{NEW}.json").write_text(json.dumps(token(world, NEW)))
    return {
        "file": str(tmp_path / "mailboxes.csv"),
        "out": str(tmp_path / "out.csv"),
        "tokens": str(tmp_path / f"{NEW}.json"),
    }


def test_every_command_is_recorded_or_changes_nothing():
    names = {" ".join(word for word in heading.split() if not word.isupper())
             for heading, _ in commands(typer.main.get_command(app))}  # fmt: skip
    assert names == set(CASES) | UNRECORDED


@pytest.mark.parametrize("name", CASES)
def test_a_command_records_what_it_changes(world: World, shell: Any, prepared: dict[str, str], name: str):
    words, expected = CASES[name]
    if name == "mailboxes resume":
        shell("mailboxes", "pause", ADA, "--reason", "before")
    if name == "start":
        shell("stop", "--reason", "before")
    if name in ("clients retire", "clients reopen"):
        shell("clients", "set", "second")
    if name == "clients reopen":
        shell("clients", "retire", "second")
    if name == "mailboxes requalify":
        world.sql(_BLOCKED)
    world.sql("DELETE FROM gmail_warmup.change_log")
    shell(*name.split(), *(word.format(**prepared) for word in words))
    found = shell.json("changes")
    assert [(one["action"], one["subject"]) for one in reversed(found)] == [each[:2] for each in expected]
    for one, (*_, before, after) in zip(reversed(found), expected, strict=True):
        assert one["actor"].startswith("cli") or one["actor"] == world.actor.name
        assert one["source"] == "cli"
        for stored, wanted in ((one["before"], before), (one["after"], after)):
            assert (stored is None) if wanted is None else wanted.items() <= stored.items()


def test_a_backup_is_recorded(world: World, shell: Any, prepared: dict[str, str]):
    world.sql("DELETE FROM gmail_warmup.change_log")
    shell("mailboxes", "export", prepared["out"], "--with-grants")
    (found,) = shell.json("changes")
    assert (found["action"], found["after"]) == ("backup", {"mailboxes": 1, "grants": 1})


def test_a_dry_run_records_nothing(world: World, shell: Any, prepared: dict[str, str]):
    world.sql("DELETE FROM gmail_warmup.change_log")
    shell("mailboxes", "import", prepared["file"], "--dry-run")
    assert "0 changes" in shell("changes")


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), 3), (("--action", "mailbox_pause"), 1), (("--mailbox", ADA.upper()), 2), (("--actor", "eva"), 0),
        (("--since", "2999-01-01"), 0), (("--until", "2026-01-01T10:00"), 0), (("--limit", "2"), 2),
    ],
)  # fmt: skip
def test_filters(world: World, shell: Any, options: tuple[str, ...], number: int):
    world.add(ADA)
    shell("mailboxes", "pause", ADA, "--reason", "why")
    shell("stop", "--reason", "why")
    assert len(shell.json("changes", *options)) == number
    assert f"{number} change" in shell("changes", *options)


def test_the_table_shows_labels(world: World, shell: Any):
    world.add(ADA)
    shell("mailboxes", "pause", ADA, "--reason", "why")
    text = shell("changes")
    assert "Mailbox paused" in text
    assert "Reason of the pause: why" in text

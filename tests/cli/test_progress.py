"""Progress of commands that may take long: on a terminal only, never in a pipe or next to JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.world import World

ADA, CLEO = "ada@pool.example", "cleo@pool.example"
TITLES = {
    "audit": "Probing the grants",
    "import": "Importing 1 mailbox",
    "move-in": "Importing 1 account",
    "export": "Exporting the mailboxes",
    "backup": "Exporting the mailboxes",
    "upkeep": "Moving and deleting old rows",
    "dns": "Requesting the DNS records",
    "rotate": "Re-encrypting",
}


@pytest.fixture
def words(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return a command that may take long, by name."""
    world.add(ADA)
    monkeypatch.setenv("GMAIL_WARMUP_PASSPHRASE", "a long passphrase of words")
    (tmp_path / "new.csv").write_text("address,kind\nben@pool.example,pool\n")
    tokens = tmp_path / f"{CLEO}.json"
    tokens.write_text(json.dumps({"refresh_token": "1//0x", "client_id": "another"}))
    return {
        "audit": ["grants", "audit"],
        "import": ["mailboxes", "import", str(tmp_path / "new.csv")],
        "move-in": ["move-in", "tokens", str(tokens), "--kind", "pool", "--dry-run"],
        "export": ["mailboxes", "export", str(tmp_path / "out.csv"), "--force"],
        "backup": ["mailboxes", "export", str(tmp_path / "out.json"), "--with-grants", "--force"],
        "upkeep": ["upkeep"],
        "dns": ["dns"],
        "rotate": ["grants", "rotate"],
    }


@pytest.mark.parametrize("name", TITLES)
def test_a_terminal_shows_progress(words: dict[str, list[str]], shell, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    code = 1 if name == "move-in" else 0
    shell(*words[name], code=code)
    assert TITLES[name] in shell.err
    assert TITLES[name] not in shell.out


@pytest.mark.parametrize("name", TITLES)
def test_a_pipe_and_json_show_none(words: dict[str, list[str]], shell, monkeypatch: pytest.MonkeyPatch, name: str):
    code = 1 if name == "move-in" else 0
    shell(*words[name], code=code)
    assert TITLES[name] not in shell.err + shell.out
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    shell.json(*words[name], code=code)
    assert TITLES[name] not in shell.err


def test_the_bar_of_the_audit_counts_the_mailboxes(words: dict[str, list[str]], shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    shell("grants", "audit", "--force")
    assert "1/1" in shell.err

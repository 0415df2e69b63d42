"""Values of options that are no text or no number for the database: an answer or an error, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.world import World

NO_TEXT = "\udcff"
"""How Python reads an argument that is not UTF-8."""
ODD_TEXTS = (NO_TEXT, "\u202e", "%", "\\", "\x1b[31m", "a" * 5000)
FILTERS = [
    ("mailboxes", "list", "--search"),
    ("mailboxes", "list", "--domain"),
    ("mailboxes", "list", "--client"),
    ("mailboxes", "readiness", "--domain"),
    ("invites", "list", "--address"),
    ("webhooks", "list", "--receiver"),
    ("webhooks", "list", "--address"),
    ("changes", "--actor"),
    ("changes", "--mailbox"),
    ("report", "--domain"),
]
LISTS = [
    ("changes",),
    ("mailboxes", "removals"),
    ("invites", "list"),
    ("grants", "events", "ada@warm.example"),
    ("webhooks", "list"),
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:10]))
@pytest.mark.parametrize("command", FILTERS, ids=" ".join)
def test_a_filter_that_is_an_odd_text_matches_nothing(shell, world: World, command: tuple[str, ...], text: str):
    world.add("ada@warm.example")
    shell("stop", "--reason", "a change of all mailboxes")
    *name, option = command
    said = shell(*name, f"{option}={text}")
    assert "ada@warm.example" not in said
    assert "a change of all" not in said


@pytest.mark.parametrize("limit", ["0", "-1", "100001", "9223372036854775808", "9" * 30])
@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_limit_out_of_range_is_refused(shell, world: World, command: tuple[str, ...], limit: str):
    world.add("ada@warm.example")
    shell(*command, f"--limit={limit}", code=2)
    shell(*command, "--limit=100000")


@pytest.mark.parametrize("week", ["0001-01-01", "1999-12-31", "9999-12-31"])
def test_a_week_out_of_range_is_refused(shell, week: str):
    shell("report", "--week", week, code=2)
    assert week in shell.err


def test_a_file_name_that_is_not_utf_8_is_written_as_an_escape_sequence(shell, world: World, tmp_path: Path):
    world.add("ada@warm.example")
    file = tmp_path / f"{NO_TEXT}.csv"
    assert "\\udcff.csv" in shell("mailboxes", "export", str(file))
    assert "ada@warm.example" in file.read_text()


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "a" * 300 + "/mailboxes.csv"])
@pytest.mark.parametrize("command", ["export", "import"])
def test_a_file_name_that_is_too_long_is_refused(shell, tmp_path: Path, command: str, name: str):
    shell("mailboxes", command, str(tmp_path / name), code=2)
    assert "name" in shell.err.lower()

"""Tables and JSON on unusual terminals: nothing is cut off, and JSON is JSON in every locale."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gmail_warmup.cli import app
from support.workers import services
from support.world import World

ADA = "ada-with-a-long-name@warm-and-long.example"


@pytest.mark.parametrize("columns", ["10", "40", "80"])
def test_a_narrow_terminal_shows_every_cell_completely(world: World, shell, columns: str):
    world.add(ADA)
    terminal = {"COLUMNS": columns, "TTY_COMPATIBLE": "1", "NO_COLOR": "1"}
    out = CliRunner().invoke(app, ["mailboxes", "list"], obj=services(world), env=terminal).stdout
    row = next(line for line in out.splitlines() if line.startswith(ADA)).split()
    assert row[:3] == [ADA, "pool", "active"]
    assert "since (UTC)" in out


def test_a_pipe_keeps_an_address_in_one_line(world: World, shell):
    long = f"{'a' * 60}@{'b' * 60}.example"
    world.add(long)
    assert [line.split()[0] for line in shell("mailboxes", "list").splitlines() if "pool" in line] == [long]


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "ascii"])
def test_json_is_valid_whatever_the_encoding_of_the_terminal(world: World, shell, charset: str):
    name = "Zo\u00eb \U0001f600"
    shell("mailboxes", "add", ADA, "--kind", "pool", "--display-name", name)
    done = CliRunner(charset=charset).invoke(app, ["mailboxes", "list", "--json"], obj=services(world))
    (found,) = json.loads(done.stdout_bytes)
    assert found["display_name"] == name

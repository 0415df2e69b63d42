"""docs/cli.md names every command, argument and option, and nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gmail_warmup.cli import app
from gmail_warmup.cli.output import NEEDS_PERSON, OK, WRONG_INPUT

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^## gmail-warmup (.+)\n((?:(?!## ).*\n)*)", TEXT, re.MULTILINE))


def commands(command: Any, *name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command by the heading that it has to have: its name and its arguments."""
    group = getattr(command, "commands", None)
    if group is None:
        arguments = [parameter.name.upper() for parameter in command.params if not parameter.opts[0].startswith("-")]
        yield " ".join([*name, *arguments]), command
    else:
        for part, inner in group.items():
            yield from commands(inner, *name, part)


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_has_a_section():
    assert sorted(SECTIONS) == sorted(COMMANDS)
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("heading", COMMANDS)
def test_every_option_is_named_where_its_command_is(heading: str):
    options = {option for parameter in COMMANDS[heading].params for option in parameter.opts if option.startswith("--")}
    named = re.findall(r"^- (`--[^:\n]+)", SECTIONS[heading], re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", " ".join(named))) == options


def test_the_exit_codes_are_those_of_the_program():
    assert re.findall(r"^\| (\d) \|", TEXT, re.MULTILINE) == [str(code) for code in (OK, NEEDS_PERSON, WRONG_INPUT)]

"""docs/cli.md names every command and every option, and nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperArgument, TyperGroup

from gmail_warmup.cli import app

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "docs" / "cli.md").read_text()
SECTIONS = dict(
    re.findall(r"^## gmail-warmup ([a-z ]+?)(?: [A-Z]+)?\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
)


def commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(group, TyperGroup):
        yield " ".join(before), group
        return
    for name, command in group.commands.items():
        yield from commands(command, *before, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_has_a_section():
    assert SECTIONS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_named_where_its_command_is(name: str):
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")}
    assert set(re.findall(r"^- (.*?)(?::|$)", SECTIONS[name], re.MULTILINE)) or not options
    listed = {
        option
        for line in re.findall(r"^- (`--.*?)(?::|$)", SECTIONS[name], re.MULTILINE)
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert listed == options


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_in_the_heading(name: str):
    arguments = [parameter.name for parameter in COMMANDS[name].params if isinstance(parameter, TyperArgument)]
    heading = f"## gmail-warmup {name}" + "".join(f" {argument.upper()}" for argument in arguments if argument)
    assert f"{heading}\n" in TEXT


def test_exit_codes_are_documented():
    from gmail_warmup.cli.common import NEEDS_PERSON, OK, WRONG_INPUT

    assert re.findall(r"^\| (\d) \|", TEXT, re.MULTILINE) == [str(code) for code in (OK, NEEDS_PERSON, WRONG_INPUT)]

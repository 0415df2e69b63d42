"""Check every command in the documentation: run by a test, its syntax checked, or the reason why not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gmail_warmup.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
if (ROOT / "SECURITY.md").exists():
    PAGES.append(ROOT / "SECURITY.md")
PROGRAMS = ("gmail-warmup", "airflow", "make", "docker", "pg_dump", "pg_restore", "psql", "curl", "pip")

KNOWN: tuple[tuple[str, str], ...] = (
    (
        r"(GOOGLE_CLIENT_\w+=\S+ )*gmail-warmup ",
        "syntax: test_a_command_of_gmail_warmup_is_understood; most are run in tests/cli",
    ),
    (r"pip show ", "prints the version"),
    (r"pip install |make wheel", "run: tests/e2e/test_package.py"),
    (r"airflow (roles|users) (create|add)", "run: tests/web/test_fab.py"),
    (r"airflow ", "syntax: test_a_command_of_airflow_is_understood"),
    (r"make cli ", "run: tests/embedded/test_command_environment.py, tests/e2e/test_documented.py"),
    (r"source \.run/", "run: tests/embedded/test_command_environment.py, tests/e2e/test_documented.py"),
    (r"make ", "syntax: test_a_target_of_make_exists; .ci/run runs lint, types, test, docs, demo and e2e"),
    (r"docker compose( |$)", "needs Docker; tests/embedded/test_compose.py checks the services"),
    (r"(helm|kubectl) ", "needs a cluster; tests/embedded/test_helm.py checks the values"),
    (r"docker push ", "needs a registry"),
    (r"docker build ", "needs Docker; tests/embedded/test_helm.py checks the lock"),
    (r"(pg_dump|pg_restore|psql) .*(gmail_warmup.dump|DROP SCHEMA)", "run: tests/e2e/test_documented.py"),
    (r"(AIRFLOW|TOKEN)=|curl ", "run: tests/e2e/test_documented.py"),
    (r"export AIRFLOW_CONN_FORMER_SYSTEM=", "run, with another address: tests/cli/test_move_in.py"),
    (r"\.ci/run", "CI itself"),
    (r"git |cd ", "needs a copy of the repository"),
)
"""Patterns of commands, and how each is verified; the first match counts."""


@dataclass(frozen=True)
class Command:
    """A command and the page that contains it."""

    page: str
    text: str
    inline: bool = False

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:60]}"


def commands() -> Iterator[Command]:
    """Yield the lines after a prompt, and the commands inside sentences."""
    for page in PAGES:
        text = page.read_text()
        for block in re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            for line in re.findall(r"^ *\$ (.*)", block.replace("\\\n", " "), re.MULTILINE):
                yield Command(page.name, line)
        prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"`([^`\n]+)`", prose):
            if span.split(" ")[0] in PROGRAMS and " " in span:
                yield Command(page.name, span, inline=True)


COMMANDS = list(dict.fromkeys(commands()))


WITHOUT_COPY = {"README.md", "CONTRIBUTING.md", "SECURITY.md", "cli.md"}


def test_a_page_with_commands_says_where_they_run():
    ours = (command for command in COMMANDS if "gmail-warmup " in command.text and not command.inline)
    pages = {command.page for command in ours}
    silent = {
        page
        for page in pages - WITHOUT_COPY
        if "(cli.md#where-do-i-run-a-command)" not in (ROOT / "docs" / page).read_text()
    }
    assert silent == set()
    assert len(pages) > 5


def split_parts(command: Command) -> Iterator[list[str]]:
    """Yield the words of each part of a command line, without leading variable assignments."""
    for part in re.split(r" && ", command.text):
        yield shlex.split(re.sub(r"^(?:[A-Z_]+=\S+ )+", "", part), comments=True)


def test_the_pages_have_commands():
    assert len([command for command in COMMANDS if not command.inline]) > 50


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_somebody_vouches_for_every_command(command: Command):
    proofs = [proof for pattern, proof in KNOWN if re.match(pattern, command.text.lstrip())]
    assert proofs, "add it to KNOWN, with how it is verified"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"tests/[\w/]+\.py|\.ci/run", " ".join(p for _, p in KNOWN)))))
def test_what_vouches_is_there(path: str):
    assert (ROOT / path).exists()


OURS = [command for command in COMMANDS if "gmail-warmup " in command.text and "docker" not in command.text]


@pytest.mark.parametrize("command", OURS, ids=str)
def test_a_command_of_gmail_warmup_is_understood(command: Command):
    for words in split_parts(command):
        if not words or words[0] != "gmail-warmup":
            continue
        target, rest = find_command(words[1:])
        if command.inline:
            options = {option for parameter in getattr(target, "params", ()) for option in parameter.opts} | {"--help"}
            assert {word for word in rest if word.startswith("--")} <= options
        else:
            assert not hasattr(target, "commands"), f"{target.name} is a group; name one of its commands"
            target.make_context(target.name, list(rest))  # raises for unknown and missing options


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words name, and the remaining words."""
    command: Any = get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_a_target_of_make_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {words[1] for command in COMMANDS for words in split_parts(command) if words[:1] == ["make"]}
    assert used - targets == set()
    assert len(used) > 8


CHECK = """
import json, sys
from airflow.cli.cli_parser import get_parser
parser, rejected = get_parser(), []
for words in json.load(sys.stdin):
    try:
        parser.parse_args(words)
    except SystemExit as error:
        if error.code:
            rejected.append(words)
print(json.dumps(rejected))
"""

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
"""The auth manager that has the commands for roles and users."""


def test_a_command_of_airflow_is_understood(tmp_path: Path):
    arguments = [
        [word.replace("...", "x") for word in words[1:]]
        for command in COMMANDS
        for words in split_parts(command)
        if words[:1] == ["airflow"] and words[1:]
    ]
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__AUTH_MANAGER": FAB}
    result = subprocess.run(
        [sys.executable, "-c", CHECK], input=json.dumps(arguments), env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[-1]) == []
    assert len(arguments) > 8


def test_the_log_lines_of_the_troubleshooting_are_those_of_the_code():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    table = page.partition("## In a log")[2].partition("\n## ")[0]
    sources = [*(ROOT / "include").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    code = re.sub(r'"\s*\n?\s*f?"', "", "\n".join(path.read_text() for path in sources))
    lines = [
        line for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for line in re.findall(r"`([^`]+)`", row)
    ]
    parts = {part.strip(" '[]:") for line in lines for part in re.split(r"\.\.\.|\[\w+\]", line)}
    assert [part for part in sorted(filter(None, parts)) if part not in code] == []
    assert len(lines) > 10

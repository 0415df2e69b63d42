"""The commands in this process, on the test's database and Google's stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from gmail_warmup.cli import app
from support.workers import services
from support.world import FERNET_KEY, World


class Shell:
    """Runs commands; says how they ended and what a user sees."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command, expect an exit code, and return stdout."""
        done = CliRunner().invoke(app, words, obj=services(self._world), env={"COLUMNS": "100"})
        self.code, self.out, self.err = done.exit_code, done.stdout, done.stderr
        assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
        return self.out

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json; stdout is one document and nothing else."""
        return json.loads(self(*words, "--json", code=code))


@pytest.fixture
def shell(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    return Shell(world)

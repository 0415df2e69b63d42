"""The version that the command prints is the one of the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_the_version_is_that_of_the_package(shell):
    version = tomllib.loads(PROJECT.read_text())["project"]["version"]
    assert shell("--version").split() == ["gmail-warmup", version]

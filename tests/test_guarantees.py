"""docs/guarantees.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "guarantees.md").read_text())


def test_some_are_named():
    assert len(NAMED) > 40


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path: str, name: str):
    text = (ROOT / path).read_text()
    assert re.search(rf"^def {name}\(" if name else r"^def test_", text, re.MULTILINE)

"""Helpers of these tests."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds} seconds: {what}")
        time.sleep(0.02)

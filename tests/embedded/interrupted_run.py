"""Two tests that never end, for test_interrupted_run.py; pytest does not collect a file of this name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [1, 2])
def test_waits(postgres: str, number: int) -> None:
    Path(os.environ["WAITING"], str(os.getpid())).touch()
    time.sleep(600)

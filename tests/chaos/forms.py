"""Two forms of one test: a short one for every run of the tests, and the long one of ``make chaos``."""

from __future__ import annotations

import pytest


def forms(short: int, full: int) -> list[object]:
    """Return the parameters of both forms."""
    return [pytest.param(short, id="short"), pytest.param(full, id="full", marks=pytest.mark.chaos)]

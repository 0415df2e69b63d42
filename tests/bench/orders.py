"""What main process and workers say to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.place import Place

Job = Callable[..., Any]
"""A function of an importable module; its first argument is the world."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to do; `at` is the moment on the machine's monotonic clock at which to begin."""

    job: Job
    arguments: dict[str, Any]
    place: Place = field(repr=False)
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of an order: a value, or the traceback of what went wrong."""

    value: Any = None
    failure: str = ""

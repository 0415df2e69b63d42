"""Tracebacks without values: what shows local variables has none of ours to show.

Airflow logs tracebacks without them, but a rich traceback (``DEV=1``), a debugger or an error tracker such as Sentry
reads the frames that an error keeps alive, and those held the token or the code of a request that failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


def forget_locals(error: BaseException) -> None:
    """Clear the local variables of every frame that an error and its causes passed through and left."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        traceback.clear_frames(current.__traceback__)
        waiting += [current.__cause__, current.__context__]


@contextmanager
def without_locals() -> Iterator[None]:
    """Clear the local variables below this block when an error leaves it; the block's own frame keeps its."""
    try:
        yield
    except BaseException as error:
        forget_locals(error)
        raise

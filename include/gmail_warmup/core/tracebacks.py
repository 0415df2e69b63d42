"""Tracebacks without values: what shows local variables has none of ours to show.

Airflow logs tracebacks without them, but a rich traceback (``DEV=1``), a debugger or an error tracker such as Sentry
reads the frames that an error keeps alive, and those held the token or the code of a request that failed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_ASYNC_FLAGS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


def clear_locals(error: BaseException) -> None:
    """Clear the local variables of every frame that an error and its causes passed through and left.

    Coroutines keep theirs: one that an error passed through on its way between two tasks may still be waiting, and
    clearing its frame would end it. Whatever holds a token or a code here is an ordinary function.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        _clear_frames(current.__traceback__)
        waiting += [current.__cause__, current.__context__]


def _clear_frames(trace: TracebackType | None) -> None:
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_code.co_flags & _ASYNC_FLAGS:
            try:
                frame.clear()
            except RuntimeError:
                pass  # it is still running
        trace = trace.tb_next


@contextmanager
def clear_locals_on_error() -> Iterator[None]:
    """Clear the local variables below this block when an error leaves it; the block's own frame keeps its."""
    try:
        yield
    except BaseException as error:
        clear_locals(error)
        raise

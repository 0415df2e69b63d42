"""Remove local variables from tracebacks, since they may contain tokens and authorization codes.

Airflow logs tracebacks without variables, but a rich traceback (``DEV=1``), a debugger or an error tracker such as
Sentry reads them from the frames that an exception references.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_ASYNC_FLAGS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


def clear_locals(error: BaseException) -> None:
    """Clear the local variables of every finished frame in the traceback of an error and of its causes.

    Frames of coroutines are skipped: one may still be suspended, and clearing its frame would end it. Only ordinary
    functions of this package have tokens or codes in variables.
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
                pass  # the frame is still executing
        trace = trace.tb_next


@contextmanager
def clear_locals_on_error() -> Iterator[None]:
    """Clear the local variables of all frames below this block if it raises; the frame of the block is not cleared."""
    try:
        yield
    except BaseException as error:
        clear_locals(error)
        raise

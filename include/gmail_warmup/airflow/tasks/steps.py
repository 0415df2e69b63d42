"""Run the steps of a task of which none may stop the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from gmail_warmup.core.errors import GmailWarmupError, describe_safely
from gmail_warmup.core.tracebacks import clear_locals

log = logging.getLogger(__name__)


class Steps:
    """A block of steps that all run; at its end, the block raises the first error. The others are logged.

    Each step is a block of ``isolate``; what it assigns needs a default before it.
    """

    def __init__(self) -> None:
        self._first: Exception | None = None

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the first error of the steps, unless the block itself is left with an error."""
        if error is None and self._first is not None:
            raise self._first

    @contextmanager
    def isolate(self, name: str) -> Iterator[None]:
        """Keep the error of one step from the later steps."""
        try:
            yield
        except Exception as error:
            if self._first is None:
                self._first = error
                return
            clear_locals(error)
            trace = None if isinstance(error, GmailWarmupError) else error
            log.error("%s failed as well: %s", name, describe_safely(error), exc_info=trace)

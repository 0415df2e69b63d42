"""Fields of log lines: what a JSON log carries beside the text, set once for a task or given with one event.

A task's log file is JSON, and Airflow puts ``dag_id``, ``task_id``, ``run_id``, ``try_number`` and ``map_index`` into
each line. Ours are ``mailbox``, ``action`` and ``reason_code``. They go the way of Airflow's own, through structlog's
context: what the standard library's ``extra`` holds never reaches the file.
"""

from __future__ import annotations

import logging
import re
from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from gmail_warmup.core.errors import GmailWarmupError


def log_fields(**fields: str) -> AbstractContextManager[None]:
    """Put fields into every line of the block, whoever writes it."""
    return bound_contextvars(**fields)


def log_event(log: logging.Logger, level: int, text: str, *args: object, **fields: str) -> None:
    """Write one line with fields of its own.

    Args:
        fields: ``mailbox`` where the line is about one, ``reason_code`` where there is a reason; never a secret.
    """
    with bound_contextvars(**fields):
        log.log(level, text, *args, stacklevel=2)


def reason_code(error: GmailWarmupError) -> str:
    """Return the reason code of an error: Google's or ours where it has one, else what its class is called."""
    reason = getattr(error, "reason", "")
    code = getattr(reason, "code", reason)
    return code or re.sub(r"(?<!^)([A-Z])", r"_\1", type(error).__name__.removesuffix("Error")).lower()

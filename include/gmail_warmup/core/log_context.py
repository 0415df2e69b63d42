"""Add fields to log lines, for a whole block or for one event.

A task's log file is JSON, and Airflow adds ``dag_id``, ``task_id``, ``run_id``, ``try_number`` and ``map_index`` to
each line. This package adds ``mailbox``, ``action`` and ``reason_code``, like Airflow through structlog's context:
``extra`` of the standard library does not reach the file.
"""

from __future__ import annotations

import logging
import re
from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from gmail_warmup.core.errors import GmailWarmupError


def log_fields(**fields: str) -> AbstractContextManager[None]:
    """Add fields to every log line of the block, from any logger."""
    return bound_contextvars(**fields)


def log_event(log: logging.Logger, level: int, text: str, *args: object, **fields: str) -> None:
    """Write one log line with additional fields.

    Args:
        fields: ``mailbox`` and ``reason_code`` where they apply; never a secret.
    """
    with bound_contextvars(**fields):
        log.log(level, text, *args, stacklevel=2)


def reason_code(error: GmailWarmupError) -> str:
    """Return the reason code of an error, or by default its class name in snake case."""
    reason = getattr(error, "reason", "")
    code = getattr(reason, "code", reason)
    return code or re.sub(r"(?<!^)([A-Z])", r"_\1", type(error).__name__.removesuffix("Error")).lower()

"""Keep what one row, or one item of a batch, causes from all others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError

log = logging.getLogger(__name__)

DATA_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, RecursionError)
"""What code raises that computes with a value that breaks a rule."""
WRITE_ERRORS = (*DATA_ERRORS, DataError, IntegrityError)
"""What a statement raises that writes such a value; psycopg2 itself raises a ValueError for the character U+0000."""

_NAMING_COLUMNS = ("id", "mailbox_id", "address", "domain", "client_id")

RowT = TypeVar("RowT")
RecordT = TypeVar("RecordT")
ItemT = TypeVar("ItemT")


def convert_rows(
    rows: Iterable[sa.Row[Any]], convert: Callable[[sa.Row[Any]], RecordT], *, table: str
) -> list[RecordT]:
    """Convert each row; log and leave out those with a value that breaks a rule."""
    return list(_iter_converted(rows, convert, table))


def _iter_converted(
    rows: Iterable[sa.Row[Any]], convert: Callable[[sa.Row[Any]], RecordT], table: str
) -> Iterator[RecordT]:
    for row in rows:
        try:
            yield convert(row)
        except DATA_ERRORS as error:
            log.error(
                "A row of the table %s is left out, because a stored value breaks a rule (%s): %s. Run: gmail-warmup "
                "doctor",
                table, _name_row(row), describe_error(error),
            )  # fmt: skip


def write_each(
    items: Sequence[ItemT], write: Callable[[Sequence[ItemT]], RecordT], *, name: Callable[[ItemT], object]
) -> tuple[list[RecordT], list[ItemT]]:
    """Write items in one batch, or one by one if the database or its driver does not accept a value of the batch.

    Args:
        write: writes some items in one transaction.
        name: returns what a log line calls an item.

    Returns:
        The results of ``write``, and the items that are not accepted.
    """
    try:
        return [write(items)], []
    except WRITE_ERRORS as error:
        if len(items) <= 1:
            for item in items:
                log.error("%s is not written, because a value is not accepted: %s", name(item), describe_error(error))
            return [], list(items)
    results: list[RecordT] = []
    rejected: list[ItemT] = []
    for item in items:
        written, refused = write_each([item], write, name=name)
        results += written
        rejected += refused
    return results, rejected


@contextmanager
def isolate_item(connection: sa.Connection, name: object) -> Iterator[None]:
    """Undo and log the block if a value breaks a rule; the transaction of the caller continues."""
    try:
        with connection.begin_nested():
            yield
    except WRITE_ERRORS as error:
        log.error("%s is left out, because a value breaks a rule: %s", name, describe_error(error))


def describe_error(error: BaseException) -> str:
    """Return the type of an error and the first line of its text; of a database error, without the values."""
    text = str(getattr(error, "orig", None) or error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__


def _name_row(row: sa.Row[Any]) -> str:
    return ", ".join(f"{name} {row._mapping[name]}" for name in _NAMING_COLUMNS if name in row._mapping)

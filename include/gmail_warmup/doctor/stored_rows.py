"""Check that every stored value follows its rule; a row that does not is named with its column and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.text import pluralize
from gmail_warmup.db.clock import MAX_TIME, MIN_TIME
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Base, Mailbox, OAuthGrant
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.mailboxes import repository

MAX_LISTED = 20
"""Number of values that are named; the others are counted."""
_LARGE_TABLES = frozenset({"change_log", "ledger", "ledger_history", "mailbox_day"})
"""Tables that would take long to read. A task logs such a row of them when it leaves it out."""
_CORRECT_ROW = "Correct the row in the database."


@dataclass(frozen=True, kw_only=True)
class InvalidRow:
    """A stored value that breaks a rule."""

    row: str
    """The row by its table and key, with the address of a mailbox."""
    column: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return row, column and rule."""
        return f"{self.row}, column {self.column}: {self.rule}"


def check_stored_rows(context: DoctorContext) -> CheckOutcome:
    """Find the rows that break a rule: of a setting, a check constraint or a time."""
    with read_transaction(context.services.engine) as connection:
        found = list_invalid_rows(connection)
    if not found:
        return Status.OK, "Every stored value follows its rule."
    more = f"; and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
    listed = "; ".join(map(str, found[:MAX_LISTED])) + more
    remedies = dict.fromkeys(item.remedy for item in found[:MAX_LISTED])
    return Status.PROBLEM, f"{pluralize(len(found), 'stored value')} break a rule: {listed}.", " ".join(remedies)


def list_invalid_rows(connection: sa.Connection) -> list[InvalidRow]:
    """Return the stored values that break a rule, each once."""
    found: dict[tuple[str, str], InvalidRow] = {}
    for search in (_find_invalid_mailboxes, _find_broken_checks, _find_unbounded_times):
        for item in search(connection):
            found.setdefault((item.row, item.column), item)
    return list(found.values())


def _find_invalid_mailboxes(connection: sa.Connection) -> Iterator[InvalidRow]:
    for mailbox in repository.list_mailboxes(connection):
        for value in mailbox.invalid:
            is_of_grant = value.column in OAuthGrant.__table__.columns and not hasattr(Mailbox, value.column)
            table = "oauth_grant" if is_of_grant else "mailbox"
            row = _name_row(table, mailbox.id, mailbox.address)
            yield InvalidRow(row=row, column=value.column, rule=value.rule, remedy=value.remedy)


def _find_broken_checks(connection: sa.Connection) -> Iterator[InvalidRow]:
    """Evaluate the check constraints of the models: one may be missing in the database, or not validated."""
    for table in _checked_tables():
        for constraint in table.constraints:
            if isinstance(constraint, sa.CheckConstraint):
                column = str(constraint.name).removeprefix(f"ck_{table.name}_")
                rule = f"it breaks the check {constraint.sqltext}"
                yield from _find_rows(connection, table, sa.text(f"NOT ({constraint.sqltext})"), column, rule)


def _find_unbounded_times(connection: sa.Connection) -> Iterator[InvalidRow]:
    for table in _checked_tables():
        for column in table.columns:
            if isinstance(column.type, sa.DateTime):
                is_outside = ~column.between(MIN_TIME, MAX_TIME)
                yield from _find_rows(connection, table, is_outside, column.name, "the time is out of range")


def _checked_tables() -> list[sa.Table]:
    return [table for table in Base.metadata.sorted_tables if table.name not in _LARGE_TABLES]


def _find_rows(
    connection: sa.Connection, table: sa.Table, condition: Any, column: str, rule: str
) -> Iterator[InvalidRow]:
    for row in connection.execute(sa.select(*table.primary_key.columns).where(condition).limit(MAX_LISTED)):
        yield InvalidRow(row=_name_row(table.name, *row), column=column, rule=rule, remedy=_CORRECT_ROW)


def _name_row(table: str, key: object, *more: object) -> str:
    return " ".join((table, str(key), *(f"({part})" for part in more)))

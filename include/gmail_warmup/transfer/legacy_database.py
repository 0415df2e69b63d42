"""Read the table of accounts of a previous system: map its columns, and return its rows as candidates.

Columns are found by their common names; the report lists the columns that were read and those that were not. The table
is read in one read-only transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.transfer.cell_values import normalize_value, parse_flag
from gmail_warmup.transfer.migration_plan import Candidate

COLUMN_NAMES: Mapping[str, Sequence[str]] = {
    "address": ("address", "email", "email_address", "gmail"),
    "kind": ("kind", "account_type", "type", "role"),
    "oauth_token": ("oauth_token", "token", "credentials"),
    "daily_target": ("daily_target", "warmup_target", "target", "daily_limit"),
    "open_rate": ("open_rate",),
    "reply_rate": ("reply_rate",),
    "timezone": ("timezone", "time_zone"),
    "display_name": ("display_name", "full_name", "name"),
    "active": ("is_active", "active", "enabled"),
}
"""The fields that are read, with possible names of their columns; the first name that exists is used."""

_SETTING_NAMES = ("daily_target", "open_rate", "reply_rate", "timezone", "display_name")


@dataclass(frozen=True, kw_only=True)
class LegacyAccounts:
    """The accounts that were found in the previous system."""

    candidates: list[Candidate]
    columns: dict[str, str]
    """The fields that were read, with the columns they were read from."""
    unread_columns: list[str]
    """Columns that were not read."""


def read_accounts(engine: sa.Engine, table: str, columns: Mapping[str, str]) -> LegacyAccounts:
    """Read all accounts.

    Args:
        columns: columns of fields whose column has none of the common names.

    Raises:
        ConfigurationError: if the database cannot be reached or read.
        InvalidInputError: if the table does not exist, or a required column is missing.
    """
    try:
        with read_transaction(engine) as connection:
            there = _list_columns(connection, table)
            mapped = _map_columns(there, columns, table)
            rows = connection.execute(_build_query(connection, table, mapped)).mappings().all()
    except (OperationalError, ProgrammingError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigurationError(f"The database of the previous system cannot be read: {reason}.") from None
    candidates = [_to_candidate(number, dict(row), mapped) for number, row in enumerate(rows, 1)]
    return LegacyAccounts(candidates=candidates, columns=mapped, unread_columns=sorted({*there} - {*mapped.values()}))


def _list_columns(connection: sa.Connection, table: str) -> list[str]:
    inspector = sa.inspect(connection)
    tables = inspector.get_table_names()
    if table not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise InvalidInputError(f"The database of the previous system has no table '{table}'; it has: {known}.")
    return [column["name"] for column in inspector.get_columns(table)]


def _map_columns(there: Sequence[str], chosen: Mapping[str, str], table: str) -> dict[str, str]:
    """Return the column of each field that the table contains."""
    for thing, column in chosen.items():
        if thing not in COLUMN_NAMES:
            raise InvalidInputError(f"'{thing}' is not a known field; known are {', '.join(COLUMN_NAMES)}.")
        if column not in there:
            raise InvalidInputError(f"The table '{table}' has no column '{column}'; it has: {', '.join(there)}.")
    mapped = {thing: next((name for name in names if name in there), "") for thing, names in COLUMN_NAMES.items()}
    mapped = {thing: column for thing, column in (mapped | dict(chosen)).items() if column}
    for thing in ("address", "kind", "oauth_token"):
        if thing not in mapped:
            raise InvalidInputError(
                f"The table '{table}' has no column for {thing}: none of {', '.join(COLUMN_NAMES[thing])}. Name "
                "it, for "
                f"example: --column {thing}=NAME. The table has: {', '.join(there)}."
            )
    return mapped


def _build_query(connection: sa.Connection, table: str, mapped: Mapping[str, str]) -> sa.Select[Any]:
    """Select the mapped columns in the order of the primary key, so that row numbers are stable."""
    key = sa.inspect(connection).get_pk_constraint(table)["constrained_columns"]
    selected = sa.table(table, *map(sa.column, dict.fromkeys([*mapped.values(), *key])))
    return sa.select(selected).order_by(*(selected.c[name] for name in key or [mapped["address"]]))


def _to_candidate(number: int, row: Mapping[str, Any], mapped: Mapping[str, str]) -> Candidate:
    values = {thing: row[column] for thing, column in mapped.items()}
    return Candidate(
        source=f"row {number}",
        address=str(values["address"] or ""),
        settings={"kind": normalize_value("kind", str(values["kind"] or ""))} | _convert_settings(values),
        token=values["oauth_token"],
        pause_reason=_find_pause_reason(values.get("active")),
    )


def _convert_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in our units; the validation names the rule of those that have two meanings."""
    found = {}
    for name in _SETTING_NAMES:
        if (value := values.get(name)) not in (None, ""):
            with suppress(ValueError):
                value = normalize_value(name, value)
            found[name] = value
    return found


def _find_pause_reason(active: Any) -> str | None:
    if active is None or parse_flag(active):
        return None
    if parse_flag(active) is None:
        return "the previous system does not say clearly whether it was active"
    return "was not active in the previous system"

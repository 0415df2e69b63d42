"""Mailboxes as files hold them: CSV of settings, or JSON that may hold their grants in google-auth's form.

Everything that is wrong in a file is found at once, with its line and its column, so that it is mended at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.records import (
    MailboxSettings,
    WrongSettingsError,
    normal_address,
    parse_settings,
    shortened,
)
from gmail_warmup.transfer import csv_format
from gmail_warmup.transfer.authorized_user import IncomingGrant, read_token

SETTINGS = tuple(MailboxSettings.model_fields)
PAUSE = "pause_reason"
COLUMNS = ("address", *SETTINGS, PAUSE)
"""The columns of the CSV."""
TOKEN_KEYS = ("oauth_token", "grant")
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
LONGEST_REASON = 500
"""Characters of a reason to pause."""


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One mailbox to take over; with a reason to pause it if it is to be paused.

    ``settings.model_fields_set`` names the settings that the file has a column for: the others of a mailbox that exists
    stay as they are.
    """

    number: int
    """Its line or entry in the file."""
    address: str
    settings: MailboxSettings
    grant: IncomingGrant | None
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class LineProblem:
    """What is wrong in one place of a file. ``rule`` names the rule, and the remedy where the rule does not say it."""

    unit: str
    number: int
    address: str = ""
    """The mailbox of the line, if it is known."""
    field: str = ""
    """The column, if one is to blame."""
    rule: str

    def __str__(self) -> str:
        """Return it as one line, as the shell prints it."""
        column = self.field if self.field in (*SETTINGS, PAUSE) else ""
        address = self.address if self.field != "address" else ""  # then the rule names it
        return ": ".join(part for part in (f"{self.unit} {self.number}", address, column, self.rule) if part)


@dataclass(kw_only=True)
class Contents:
    """What a file holds: its mailboxes, and what is wrong with the other lines."""

    unit: str
    """What its numbers count: ``line`` or ``entry``."""
    mailboxes: list[Incoming] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)

    def accepted(self) -> list[Incoming]:
        """Return the mailboxes.

        Raises:
            InvalidInputError: if anything is wrong, listing all of it.
        """
        bad = len({problem.number for problem in self.problems})
        if bad:
            head = f"{bad} of {bad + len(self.mailboxes)} cannot be imported, so nothing was."
            raise InvalidInputError("\n".join([head, *map(str, self.problems)]))
        return self.mailboxes


def parse(text: str) -> list[Incoming]:
    """Read CSV (a header line, one mailbox a line) or JSON (a list of objects).

    Raises:
        InvalidInputError: listing every bad entry with its line or number and the rule it breaks.
    """
    return read(text).accepted()


def parse_rows(found: Any) -> list[Incoming]:
    """Read what a JSON document holds: a list of objects, or one object.

    Raises:
        InvalidInputError: listing every bad entry with its number and the rule it breaks.
    """
    return _entries(found).accepted()


def read(text: str) -> Contents:
    """Read CSV or JSON, with all that is wrong in it.

    Raises:
        InvalidInputError: if it is neither, or holds no mailbox at all.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        raise InvalidInputError("The file is empty. Give CSV with a header line, or a JSON list.")
    _require_text(text)
    if start[0] not in "[{":
        return _lines(text)
    try:
        found = json.loads(start)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"The file is not JSON: {error}.") from None
    return _entries(found)


def _lines(text: str) -> Contents:
    table = csv_format.read(text)
    if not {"address", "kind"} <= {*table.header}:
        raise InvalidInputError("The CSV needs a header line with the columns address and kind.")
    contents = Contents(unit="line")
    for column, rule in [*_unknown(table.header), *_twice(table.header)]:
        contents.problems.append(LineProblem(unit="line", number=table.header_line, field=column, rule=rule))
    for number, rule in table.faults:
        contents.problems.append(LineProblem(unit="line", number=number, rule=rule))
    _check(contents, ((number, _filled(row)) for number, row in table.rows))
    contents.problems.sort(key=lambda problem: problem.number)
    return contents


def _filled(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row as JSON would hold it: an empty cell means the default."""
    values: dict[str, Any] = {name: cell for name, cell in row.items() if cell and name in (*COLUMNS, *TOKEN_KEYS)}
    for name in SETTINGS:
        if row.get(name) == "" and not MailboxSettings.model_fields[name].is_required():
            values[name] = MailboxSettings.model_fields[name].default
    return values


def _entries(found: Any) -> Contents:
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in listed):
        raise InvalidInputError("The JSON must be a list of objects, one for each mailbox.")
    _require_text(json.dumps(found, ensure_ascii=False))
    contents = Contents(unit="entry")
    _check(contents, enumerate(listed, 1))
    return contents


def _require_text(text: str) -> None:
    if _NO_TEXT.search(text):  # neither the database nor an answer can hold these
        raise InvalidInputError("The file holds characters that are no text. Save it anew, in UTF-8.")


def _check(contents: Contents, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    first: dict[str, int] = {}
    for number, row in rows:
        found = _Row(contents.unit, number, row)
        if found.address in first:
            rule = f"{found.address} stands here twice; keep one ({contents.unit} {first[found.address]} is the other)."
            found.note("address", rule)
        if found.address:
            first.setdefault(found.address, number)
        if found.problems:
            contents.problems += found.problems
        else:
            contents.mailboxes.append(found.incoming())


class _Row:
    """One line or entry, read as far as it can be."""

    def __init__(self, unit: str, number: int, row: Mapping[str, Any]) -> None:
        self._unit, self._number = unit, number
        self.address = ""
        self.problems: list[LineProblem] = []
        self._settings: MailboxSettings | None = None
        self._grant: IncomingGrant | None = None
        self._read_address(row.get("address", ""))
        for column, rule in _unknown(row):
            self.note(column, rule)
        self._read_settings({key: row[key] for key in SETTINGS if key in row})
        self._pause_reason = self._read_pause_reason(row.get(PAUSE))
        self._read_grant(row)

    def incoming(self) -> Incoming:
        """Return the mailbox, if there is no problem."""
        assert self._settings is not None
        return Incoming(
            number=self._number,
            address=self.address,
            settings=self._settings,
            grant=self._grant,
            pause_reason=self._pause_reason,
        )

    def note(self, column: str, rule: str) -> None:
        """Keep a problem of this row."""
        self.problems.append(
            LineProblem(unit=self._unit, number=self._number, address=self.address, field=column, rule=rule)
        )

    def _read_address(self, given: Any) -> None:
        try:
            self.address = normal_address(str(given))
        except InvalidInputError as error:
            self.note("address", str(error))

    def _read_settings(self, values: dict[str, Any]) -> None:
        try:
            self._settings = parse_settings(values, address=self.address)
        except WrongSettingsError as error:
            for broken in error.broken:
                self.note(broken.field, broken.rule)

    def _read_pause_reason(self, given: Any) -> str | None:
        if given is None or (isinstance(given, str) and len(given) <= LONGEST_REASON):
            return (given or "").strip() or None
        self.note(PAUSE, f"must be a text of {LONGEST_REASON} characters at most.")
        return None

    def _read_grant(self, row: Mapping[str, Any]) -> None:
        key = next((key for key in TOKEN_KEYS if row.get(key)), None)
        if key is None:
            return
        try:
            self._grant = read_token(row[key])
        except InvalidInputError as error:
            self.note(key, str(error))


def _unknown(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in sorted({*names} - {*COLUMNS, *TOKEN_KEYS}):
        shown = shortened(name)
        rule = f"unknown column {shown}; known are {', '.join(COLUMNS)}." if name else "a column has no name."
        yield shown, rule


def _twice(names: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(names) & {*COLUMNS, *TOKEN_KEYS}):
        if list(names).count(name) > 1:
            yield name, f"the column {name} stands here twice; keep one."

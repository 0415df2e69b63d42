"""Parse files of mailboxes: CSV or a workbook with settings, or JSON that may contain grants.

All problems of a file are reported together, with line and column, so that they can be fixed in one go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gmail_warmup.core.characters import MAX_REASON_LENGTH, to_one_line
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import shorten_text
from gmail_warmup.mailboxes.addresses import describe_twins, get_identity, normalize_address
from gmail_warmup.mailboxes.pause_end import Pause, parse_end_of_pause
from gmail_warmup.mailboxes.records import (
    MailboxSettings,
    WrongSettingsError,
    validate_mailbox_settings,
)
from gmail_warmup.oauth.grant_import import ImportedGrant
from gmail_warmup.transfer import csv_format, text_encoding, workbook
from gmail_warmup.transfer.authorized_user import parse_authorized_user
from gmail_warmup.transfer.cell_values import normalize_value

SETTING_COLUMNS = tuple(MailboxSettings.model_fields)
PAUSE_COLUMN, PAUSE_END_COLUMN = "pause_reason", "paused_until"
CSV_COLUMNS = ("address", *SETTING_COLUMNS, PAUSE_COLUMN, PAUSE_END_COLUMN)
"""The columns of the CSV."""
TOKEN_KEYS = ("oauth_token", "grant")
_INVALID_CHARACTERS = re.compile(r"[\x00\ud800-\udfff]")
MAX_FILE_BYTES = 5_000_000
"""Maximum size in bytes of a file that the page imports; the command line imports larger ones."""
MAX_PROBLEMS = 500
"""Number of problems after which the rest of a file is not checked: reporting more helps nobody."""
_MAX_ROW_PROBLEMS = 20
"""Maximum number of problems that are reported for one row, or for the header line."""


@dataclass(frozen=True, kw_only=True)
class ParsedMailbox:
    """A mailbox to import; with a pause if it is to be paused.

    ``settings.model_fields_set`` contains the settings for which the file has a column: an existing mailbox keeps its
    other settings.
    """

    number: int
    """Its line or entry in the file."""
    address: str
    settings: MailboxSettings
    grant: ImportedGrant | None
    pause: Pause | None = None
    source: str = ""
    """Where it comes from: a line, an entry or a file."""


@dataclass(frozen=True, kw_only=True)
class LineProblem:
    """A problem at one place of a file. ``rule`` states the violated rule, and the remedy if it is not obvious."""

    unit: str
    number: int
    address: str = ""
    """The mailbox of the line, if it could be read."""
    field: str = ""
    """The column that causes the problem, if there is one."""
    rule: str

    def __str__(self) -> str:
        """Return the problem as one line of text for the command line."""
        column = self.field if self.field in (*SETTING_COLUMNS, PAUSE_COLUMN, PAUSE_END_COLUMN) else ""
        address = self.address if self.field != "address" else ""  # the rule contains it then
        return ": ".join(part for part in (f"{self.unit} {self.number}", address, column, self.rule) if part)


@dataclass(kw_only=True)
class ParsedFile:
    """The content of a file: its valid mailboxes, and the problems of the other lines."""

    unit: str
    """The unit of the numbers: ``line``, ``row`` or ``entry``."""
    mailboxes: list[ParsedMailbox] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
    last_number: int = 0
    """The last line or entry that was checked."""
    warnings: tuple[str, ...] = ()
    """What a person should check, because the encoding of the file is not certain."""
    unchecked: int = 0
    """Number of lines or entries after ``MAX_PROBLEMS`` problems."""

    @property
    def is_full(self) -> bool:
        """Return whether the rest of the file is not checked."""
        return len(self.problems) >= MAX_PROBLEMS

    def require_valid(self) -> list[ParsedMailbox]:
        """Return the mailboxes.

        Raises:
            InvalidInputError: if there are problems, listing those that were found.
        """
        bad = len({problem.number for problem in self.problems})
        if bad:
            head = f"{bad} of {bad + len(self.mailboxes)} mailboxes cannot be imported; nothing was imported."
            rest = [f"... and {self.unchecked} more, which were not checked."] if self.unchecked else []
            raise InvalidInputError("\n".join([head, *map(str, self.problems), *rest]))
        return self.mailboxes


def parse_mailboxes(text: str) -> list[ParsedMailbox]:
    """Parse CSV (a header line, one mailbox per line) or JSON (a list of objects).

    Raises:
        InvalidInputError: listing every bad entry with its line or number and the violated rule.
    """
    return parse_with_problems(text).require_valid()


def parse_rows(found: Any) -> list[ParsedMailbox]:
    """Parse the content of a JSON document: a list of objects, or one object.

    Raises:
        InvalidInputError: listing every bad entry with its number and the violated rule.
    """
    return _parse_entries(found).require_valid()


def parse_file(raw: bytes) -> ParsedFile:
    """Parse CSV or JSON in any encoding, or a workbook, with all problems.

    Raises:
        InvalidInputError: if its format is not one of these, or it contains no mailbox.
    """
    if workbook.is_workbook(raw):
        return _parse_table(workbook.read_workbook(raw), unit="row", size=workbook.MAX_ROWS)
    decoded = text_encoding.decode_text(raw)
    contents = parse_with_problems(decoded.text)
    contents.warnings = decoded.warnings
    return contents


def parse_with_problems(text: str) -> ParsedFile:
    """Parse CSV or JSON, with all its problems.

    Raises:
        InvalidInputError: if it is neither, or contains no mailbox at all.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        raise InvalidInputError("The file is empty. Give CSV with a header line, or a JSON list.")
    _require_valid_text(text)
    if start[0] not in "[{":
        return _parse_csv(text)
    try:
        found = json.loads(start)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"The file is not JSON: {error}.") from None
    return _parse_entries(found)


def _parse_csv(text: str) -> ParsedFile:
    size = max(text.count("\n"), text.count("\r")) + (not text.endswith(("\n", "\r")))
    return _parse_table(csv_format.parse_table(text), unit="line", size=size)


def _parse_table(table: csv_format.CsvTable, *, unit: str, size: int) -> ParsedFile:
    if not {"address", "kind"} <= {*table.header}:
        raise InvalidInputError("The CSV needs a header line with the columns address and kind.")
    contents = ParsedFile(unit=unit)
    found = [*_find_unknown_columns(table.header), *_find_duplicate_columns(table.header)]
    for column, rule in found[:_MAX_ROW_PROBLEMS]:
        contents.problems.append(LineProblem(unit=unit, number=table.header_line, field=column, rule=rule))
    _check_rows(contents, _iter_rows(contents, table.lines))
    _count_unchecked(contents, size)
    return contents


def _iter_rows(contents: ParsedFile, lines: Iterable[csv_format.CsvLine]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a CSV; a malformed line becomes a problem."""
    for line in lines:
        if line.cells is not None:
            yield line.number, _apply_defaults(line.cells)
        elif not contents.is_full:
            contents.problems.append(LineProblem(unit=contents.unit, number=line.number, rule=line.broken_rule))
            contents.last_number = line.number
        else:
            return


def _apply_defaults(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with the values that JSON would have: an empty cell means the default."""
    # Other invisible characters around an address are not removed but named.
    cells = {name: cell if name == "address" else cell.strip() for name, cell in row.items()}
    values: dict[str, Any] = {
        name: cell for name, cell in cells.items() if cell and name in (*CSV_COLUMNS, *TOKEN_KEYS)
    }
    for name in SETTING_COLUMNS:
        if cells.get(name) == "" and not MailboxSettings.model_fields[name].is_required():
            values[name] = MailboxSettings.model_fields[name].default
    return values


def find_problem(row: Mapping[str, Any]) -> str | None:
    """Return why a mailbox could not be imported, or None."""
    problems = _RowParser("entry", 1, row).problems
    return "; ".join(problem.rule for problem in problems) or None


def _parse_entries(found: Any) -> ParsedFile:
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in listed):
        raise InvalidInputError("The JSON must be a list of objects, one for each mailbox.")
    _require_valid_text(json.dumps(found, ensure_ascii=False))
    contents = ParsedFile(unit="entry")
    _check_rows(contents, enumerate(listed, 1))
    _count_unchecked(contents, len(listed))
    return contents


def _count_unchecked(contents: ParsedFile, total: int) -> None:
    if contents.is_full:
        contents.unchecked = max(0, total - contents.last_number)


def _require_valid_text(text: str) -> None:
    if _INVALID_CHARACTERS.search(text):  # neither the database nor a response can contain these
        raise InvalidInputError("The file contains invalid characters. Save it again as UTF-8.")


def _check_rows(contents: ParsedFile, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    first: dict[str, tuple[int, str]] = {}
    for number, row in rows:
        if contents.is_full:
            return
        contents.last_number = number
        found = _RowParser(contents.unit, number, row)
        identity = get_identity(found.address)
        if found.address and identity in first:
            other, address = first[identity]
            rule = (
                f"{found.address} appears twice" if address == found.address else describe_twins(found.address, address)
            )
            found.add_problem("address", f"{rule}; keep one (the other is {contents.unit} {other}).")
        if found.address:
            first.setdefault(identity, (number, found.address))
        if found.problems:
            contents.problems += found.problems[:_MAX_ROW_PROBLEMS]
        else:
            contents.mailboxes.append(found.to_mailbox())


class _RowParser:
    """Parser of one line or entry that collects all its problems."""

    def __init__(self, unit: str, number: int, row: Mapping[str, Any]) -> None:
        self._unit, self._number = unit, number
        self.address = ""
        self.problems: list[LineProblem] = []
        self._settings: MailboxSettings | None = None
        self._grant: ImportedGrant | None = None
        self._read_address(row.get("address", ""))
        for column, rule in _find_unknown_columns(row):
            self.add_problem(column, rule)
        self._read_settings({key: row[key] for key in SETTING_COLUMNS if key in row})
        self._pause = self._read_pause(row.get(PAUSE_COLUMN), row.get(PAUSE_END_COLUMN))
        self._read_grant(row)

    def to_mailbox(self) -> ParsedMailbox:
        """Return the mailbox, if there is no problem."""
        assert self._settings is not None
        return ParsedMailbox(
            number=self._number,
            address=self.address,
            settings=self._settings,
            grant=self._grant,
            pause=self._pause,
            source=f"{self._unit} {self._number}",
        )

    def add_problem(self, column: str, rule: str) -> None:
        """Record a problem of this row."""
        self.problems.append(
            LineProblem(unit=self._unit, number=self._number, address=self.address, field=column, rule=rule)
        )

    def _read_address(self, given: Any) -> None:
        try:
            self.address = normalize_address(str(given))
        except InvalidInputError as error:
            self.add_problem("address", str(error))

    def _read_settings(self, given: dict[str, Any]) -> None:
        values: dict[str, Any] = {}
        for name, value in given.items():
            try:
                values[name] = normalize_value(name, value)
            except ValueError as error:
                self.add_problem(name, f"{error} (given: {shorten_text(repr(value))})")
        try:
            self._settings = validate_mailbox_settings(values, address=self.address)
        except WrongSettingsError as error:
            for broken in error.broken:
                self.add_problem(broken.field, broken.rule)

    def _read_pause(self, given_reason: Any, given_end: Any) -> Pause | None:
        reason, until = self._read_pause_reason(given_reason), None
        if given_end not in (None, ""):
            try:
                until = parse_end_of_pause(str(given_end))
            except ValueError as error:
                self.add_problem(PAUSE_END_COLUMN, f"{error} (given: {shorten_text(repr(given_end))})")
            if not reason:
                self.add_problem(PAUSE_END_COLUMN, f"needs a text in {PAUSE_COLUMN}, which pauses the mailbox.")
        return Pause(reason=reason, until=until) if reason else None

    def _read_pause_reason(self, given: Any) -> str | None:
        if given is None or (isinstance(given, str) and len(given) <= MAX_REASON_LENGTH):
            return to_one_line(given or "") or None
        self.add_problem(PAUSE_COLUMN, f"must be a text of at most {MAX_REASON_LENGTH} characters.")
        return None

    def _read_grant(self, row: Mapping[str, Any]) -> None:
        key = next((key for key in TOKEN_KEYS if row.get(key)), None)
        if key is None:
            return
        try:
            self._grant = parse_authorized_user(row[key], address=self.address)
        except InvalidInputError as error:
            self.add_problem(key, str(error))


def _find_unknown_columns(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in sorted({*names} - {*CSV_COLUMNS, *TOKEN_KEYS}):
        shown = shorten_text(name)
        rule = f"unknown column {shown}; known are {', '.join(CSV_COLUMNS)}." if name else "a column has no name."
        yield shown, rule


def _find_duplicate_columns(names: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(names) & {*CSV_COLUMNS, *TOKEN_KEYS}):
        if list(names).count(name) > 1:
            yield name, f"the column {name} appears twice; keep one."

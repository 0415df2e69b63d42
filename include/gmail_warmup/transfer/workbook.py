"""Read the mailboxes of a workbook, ``.xlsx``, as the lines of a table."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.csv_format import CsvLine, CsvTable, normalize_header

_MAX_UNPACKED_BYTES = 100_000_000
_MAX_ENTRIES = 1000
MAX_ROWS, _MAX_COLUMNS = 100_000, 64
_REMEDY = "Save it as .xlsx or as CSV UTF-8."
_OTHER_FORMATS = (
    (b"\xd0\xcf\x11\xe0", f"is an .xls file of Excel 97-2003, or protected with a password. {_REMEDY}"),
    (b"\x09\x08", f"is an .xls file of Excel. {_REMEDY}"),
)
_ARCHIVE = b"PK\x03\x04"


def is_workbook(raw: bytes) -> bool:
    """Return whether a file is a workbook in some format, and not a text.

    Raises:
        InvalidInputError: if it is in a format that is not read, with the remedy.
    """
    for signature, problem in _OTHER_FORMATS:
        if raw.startswith(signature):
            raise InvalidInputError(f"The file {problem}")
    return raw.startswith(_ARCHIVE)


def read_workbook(raw: bytes) -> CsvTable:
    """Return the first worksheet with a header; a row with a cell that has no value is malformed.

    Raises:
        InvalidInputError: if the file is not an .xlsx workbook, or too large when it is unpacked.
    """
    _check_archive(raw)
    try:
        return _read_first_table(raw)
    except InvalidInputError:
        raise
    except Exception as error:  # the library raises whatever a damaged file leads to
        raise InvalidInputError(f"The workbook is damaged ({type(error).__name__}). {_REMEDY}") from None


def _check_archive(raw: bytes) -> None:
    """Refuse archives that are not a workbook, or too large; zipfile unpacks no more than the declared sizes."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise InvalidInputError(f"The file is a damaged workbook or ZIP archive. {_REMEDY}") from None
    names = {entry.filename for entry in entries}
    if "xl/workbook.xml" not in names:
        kind = "an OpenDocument spreadsheet" if "content.xml" in names else "not an .xlsx workbook"
        if any(name.endswith(".iwa") for name in names):
            kind = "a spreadsheet of Apple Numbers"
        raise InvalidInputError(f"The file is {kind}. {_REMEDY}")
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > _MAX_UNPACKED_BYTES:
        raise InvalidInputError(f"The workbook is too large when it is unpacked. {_REMEDY}")


def _read_first_table(raw: bytes) -> CsvTable:
    import openpyxl

    books = [openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=only) for only in (True, False)]
    for values, formulas in zip(*(book.worksheets for book in books), strict=True):
        rows = _iter_rows(values, formulas)
        number, cells = next(((number, cells) for number, cells in rows if any(cells)), (0, ""))
        names = [normalize_header(cell) for cell in cells]
        while names and not names[-1]:
            names.pop()
        if {"address", "kind"} <= {*names}:
            lines = list(_to_lines(rows, names))  # read here, so that each error of the library is caught
            return CsvTable(header=names, header_line=number, lines=iter(lines))
    raise InvalidInputError("No worksheet has a header line with the columns address and kind.")


def _to_lines(rows: Iterator[tuple[int, list[str] | str]], names: list[str]) -> Iterator[CsvLine]:
    for number, cells in rows:
        if number > MAX_ROWS:
            yield CsvLine(number=number, broken_rule=f"the worksheet has more than {MAX_ROWS:,} rows; split it.")
            return
        if isinstance(cells, str):
            yield CsvLine(number=number, broken_rule=cells)
        elif any(cells[len(names) :]):
            yield CsvLine(
                number=number, broken_rule="a cell has a value, but its column has no name in the header line."
            )
        elif any(cells):
            yield CsvLine(number=number, cells=dict(zip(names, cells, strict=False)))


def _iter_rows(values: Any, formulas: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number and the texts of each row, or the rule that it breaks.

    Args:
        values: the worksheet with the stored results of its formulas.
        formulas: the same worksheet with its formulas.
    """
    both = []
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # the declared size may be wrong
        both.append(sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=_MAX_COLUMNS))
    for number, (row, sources) in enumerate(zip(*both, strict=False), 1):
        try:
            yield number, [_to_text(cell, source) for cell, source in zip(row, sources, strict=False)]
        except ValueError as error:
            yield number, str(error)


def _to_text(cell: Any, source: Any) -> str:
    """Return a cell as a CSV file has it.

    Raises:
        ValueError: if it has no value that can be read.
    """
    value = cell.value
    if value is None:
        if source.value is not None:
            raise ValueError("a formula has no stored result; open the file in the spreadsheet program and save it.")
        return ""
    if cell.data_type == "e":
        raise ValueError(f"a cell contains the error {value}; correct it.")
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _format_number(value, cell.number_format or "")
    return value.isoformat() if isinstance(value, datetime | date) else str(value).strip(" \t\r\n")


def _format_number(value: float, number_format: str) -> str:
    if "%" in number_format:
        return f"{round(value * 100, 6):g}%"
    return str(int(value)) if value == int(value) else repr(round(value, 9))

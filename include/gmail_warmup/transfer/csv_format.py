"""Read and write CSV in the dialects of spreadsheet programs.

They start a file with a byte order mark, separate by semicolon or tab if the comma is the decimal separator, and end
lines with CRLF. They also execute a cell that starts like a formula: such a cell is written with an apostrophe in
front, which is removed when it is read. The characters are those of OWASP's page "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gmail_warmup.core.characters import ASCII_SPACE

BYTE_ORDER_MARK = "\ufeff"
"""The first character of a file to download: without it, Excel reads the file in the code page of its locale."""

_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")  # noqa: RUF001  the full-width forms count as well
_ESCAPED_FORMULA = re.compile(f"'{_FORMULA.pattern}")
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""The first line by which Excel learns the separator."""


@dataclass(frozen=True, kw_only=True)
class CsvLine:
    """A line of a file: its cells by column, or the rule that it breaks."""

    number: int
    """The first line has the number 1."""
    cells: dict[str, str] | None = None
    broken_rule: str = ""


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """The header of a file, and its further lines, which are parsed while they are read."""

    header: Sequence[str]
    header_line: int
    lines: Iterator[CsvLine]


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet program executes as a formula; inverse of ``unescape_formula``."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Return a cell without the apostrophe of ``escape_formula``."""
    return cell[1:] if _ESCAPED_FORMULA.match(cell) else cell


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a file, the header first."""
    yield _format_line(columns)
    for row in rows:
        yield _format_line([escape_formula(str(row[name])) if row[name] is not None else "" for name in columns])


def _format_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # RFC 4180: CRLF, and quotes around what holds a line break
    return line.getvalue()


def parse_table(text: str) -> CsvTable:
    """Parse a file with a header line. Column names are converted to lower case; empty cells are empty strings."""
    lines = _parse_lines(text.removeprefix(BYTE_ORDER_MARK))
    number, header, malformed = 1, [], []
    for number, cells in lines:
        if isinstance(cells, list):
            header = cells
            break
        malformed.append((number, cells))
    names = [normalize_header(cell) for cell in header]
    while names and not names[-1]:
        names.pop()  # empty columns at the end, of a spreadsheet that was once wider
    return CsvTable(header=names, header_line=number, lines=_to_lines(chain(malformed, lines), names))


_OTHER_HEADERS = {
    "email": "address",
    "e_mail": "address",
    "email_address": "address",
    "time_zone": "timezone",
    "owner": "owner_email",
}


def normalize_header(cell: str) -> str:
    """Return the name of a column: in lower case, with underscores in place of spaces and hyphens."""
    name = "_".join(cell.replace("-", " ").lower().split())
    return _OTHER_HEADERS.get(name, name)


_TOO_MANY_CELLS = "the header line has {} columns and this line has {}; quote texts that contain a separator."


def _to_lines(lines: Iterable[tuple[int, list[str] | str]], names: Sequence[str]) -> Iterator[CsvLine]:
    for number, cells in lines:
        if isinstance(cells, str):
            yield CsvLine(number=number, broken_rule=cells)
        elif any(cells[len(names) :]):
            yield CsvLine(number=number, broken_rule=_TOO_MANY_CELLS.format(len(names), len(cells)))
        else:
            yield CsvLine(number=number, cells=dict(zip(names, cells, strict=False)))


def _parse_lines(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number and the cells of each line that is not empty; for a malformed line, the rule that it breaks."""
    stated = _SEPARATOR_LINE.match(text)
    body = text[stated.end() :] if stated else text
    separator = stated[1] if stated else _detect_separator(text)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    first = text.count("\n", 0, stated.end()) or 1 if stated else 0
    while True:
        try:
            cells = [unescape_formula(cell.strip(ASCII_SPACE)) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            what = f"unbalanced quotation marks ({error}); inside a quoted text, double each quotation mark."
            yield first + reader.line_num, what
        else:
            if any(cells):
                yield first + reader.line_num, cells


def _detect_separator(text: str) -> str:
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)

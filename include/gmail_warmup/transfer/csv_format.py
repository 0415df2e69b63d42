"""CSV as spreadsheet programs write and read it.

They begin a file with a byte order mark, separate by semicolon or tab where the comma is the decimal sign, and end
lines by CRLF. And they run a cell that begins like a formula, also one that somebody else typed into a name: such a
cell gets an apostrophe in front, which reading takes away again. The list is that of OWASP's page "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")  # noqa: RUF001  the full-width forms count as well
_ESCAPED_FORMULA = re.compile(f"'{_FORMULA.pattern}")
_SEPARATORS = ",;\t"


@dataclass(kw_only=True)
class CsvTable:
    """The header of a file, its rows, and the lines that are no CSV; numbers are those of lines, from 1."""

    header: Sequence[str] = ()
    header_line: int = 1
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    malformed_lines: list[tuple[int, str]] = field(default_factory=list)


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet program takes for a formula; ``restore`` is its inverse."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Return a cell as it was before ``defuse``."""
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
    """Read a file with a header line, whose names count in small letters. Empty cells are kept, as empty texts."""
    table = CsvTable()
    lines = _parse_lines(text.removeprefix("\ufeff"), table)
    table.header_line, header = next(lines, (1, []))
    names = [cell.lower() for cell in header]
    while names and not names[-1]:
        names.pop()  # a spreadsheet that was once wider
    table.header = names
    for number, cells in lines:
        if any(cells[len(names) :]):
            table.malformed_lines.append((number, _TOO_MANY_CELLS.format(len(names), len(cells))))
        else:
            table.rows.append((number, dict(zip(names, cells, strict=False))))
    return table


_TOO_MANY_CELLS = (
    "the header line names {} columns, and this line has {}; put quotation marks around a text that holds a separator."
)


def _parse_lines(text: str, table: CsvTable) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not empty, and note those that are no CSV; the reader goes on behind them."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_detect_separator(text), skipinitialspace=True, strict=True
    )
    while True:
        try:
            cells = [unescape_formula(cell.strip()) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            what = f"the quotation marks do not fit ({error}); inside of a quoted text, write each one twice."
            table.malformed_lines.append((reader.line_num, what))
        else:
            if any(cells):
                yield reader.line_num, cells


def _detect_separator(text: str) -> str:
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)

"""Tables as spreadsheet programs and people write them: the same mailboxes, or the rule and the remedy."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import openpyxl
import pytest

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer import parser, text_encoding
from gmail_warmup.transfer.cell_values import parse_flag
from samples.files.tables import CSV_SHAPES, EXPECTED, REFUSED_TABLES, REFUSED_VALUES, VALUES


def get_settings(found: parser.ParsedFile) -> list[tuple[Any, ...]]:
    return [
        (item.address, item.settings.kind, item.settings.daily_target, item.settings.open_rate, item.settings.timezone,
         item.settings.display_name, item.settings.signature)
        for item in found.require_valid()
    ]  # fmt: skip


@pytest.mark.parametrize("raw", [raw for _, raw in CSV_SHAPES], ids=[name for name, _ in CSV_SHAPES])
def test_a_table_is_read_in_every_encoding_with_every_separator(raw: bytes):
    assert get_settings(parser.parse_file(raw)) == EXPECTED


@pytest.mark.parametrize(
    ("raw", "said"), [case[1:] for case in REFUSED_TABLES], ids=[case[0] for case in REFUSED_TABLES]
)
def test_a_file_that_cannot_be_read_is_refused_with_the_remedy(raw: bytes, said: str):
    with pytest.raises(InvalidInputError) as caught:
        parser.parse_file(raw)
    assert said in str(caught.value)


def test_what_was_read_as_windows_1252_is_listed():
    found = parser.parse_file(
        "address,kind,display_name\na@x.example,pool,Zoë\nb@x.example,pool,O\u2019Brien\n".encode("cp1252")
    )
    assert [item.settings.display_name for item in found.mailboxes] == ["Zoë", "O\u2019Brien"]
    assert found.warnings[0].endswith("Check the letters of 2 lines.")
    assert [warning.partition(":")[0] for warning in found.warnings[1:]] == ["line 2", "line 3"]
    assert parser.parse_file("address,kind\na@x.example,pool\n".encode("utf-16")).warnings == ()


def test_the_lines_behind_a_separator_line_keep_their_numbers():
    found = parser.parse_file(b"sep=;\r\naddress;kind\r\na@x.example;boss\r\n")
    assert [str(problem) for problem in found.problems] == [
        "line 3: a@x.example: kind: must be warmup or pool (given: 'boss')"
    ]


@pytest.mark.parametrize(("column", "value", "meaning"), VALUES)
@pytest.mark.parametrize("as_json", [False, True], ids=["table", "JSON"])
def test_a_value_with_one_meaning_is_accepted(column: str, value: Any, meaning: Any, as_json: bool):
    row = {"address": "a@x.example", "kind": "pool"} | {column: value}
    text = "\t".join(row) + "\n" + "\t".join(map(str, row.values())) + "\n"
    contents = parser._parse_entries([row]) if as_json else parser.parse_with_problems(text)
    (found,) = contents.require_valid()
    assert getattr(found.settings, column) == meaning


@pytest.mark.parametrize(("column", "value", "rule"), REFUSED_VALUES)
def test_a_value_with_two_meanings_or_none_is_named_with_row_column_and_rule(column: str, value: Any, rule: str):
    row = {"address": "a@x.example", "kind": "pool"} | {column: value}
    (problem,) = parser.parse_with_problems("\t".join(row) + "\n" + "\t".join(row.values()) + "\n").problems
    assert (problem.number, problem.field) == (2, column)
    assert rule in problem.rule
    assert f"(given: '{value.removesuffix('%')}" in problem.rule


@pytest.mark.parametrize("meaning", [True, False, None])
def test_a_flag_is_read_as_programs_write_it(meaning: bool | None):
    values = {
        True: (True, 1, "TRUE", "yes", "ja", " Oui "),
        False: (False, 0, "0", "Nein", "false"),
        None: ("maybe", "2"),
    }
    assert {parse_flag(value) for value in values[meaning]} == {meaning}


def make_workbook(rows: list[list[Any]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def test_a_cell_without_a_value_is_named():
    found = parser.parse_file(
        make_workbook(
            [
                ["address", "kind", "daily_target"],
                ["a@x.example", "pool", "=1+1"],
                ["b@x.example", "pool", 3],
                ["c@x.example", "pool", 3, "more"],
            ]
        )
    )
    assert [item.address for item in found.mailboxes] == ["b@x.example"]
    assert [(problem.unit, problem.number, problem.rule.partition(";")[0]) for problem in found.problems] == [
        ("row", 2, "a formula has no stored result"),
        ("row", 4, "a cell has a value, but its column has no name in the header line."),
    ]


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("content.xml", "an OpenDocument spreadsheet"),
        ("Index/Document.iwa", "Apple Numbers"),
        ("x.txt", "not an .xlsx"),
    ],
)
def test_other_archives_are_named(member: str, said: str):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, "x")
    with pytest.raises(InvalidInputError, match=said):
        parser.parse_file(file.getvalue())


def test_an_archive_that_is_much_larger_when_it_is_unpacked_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 101_000_000)
    assert len(file.getvalue()) < 200_000
    with pytest.raises(InvalidInputError, match="too large when it is unpacked"):
        parser.parse_file(file.getvalue())


def test_a_worksheet_that_is_damaged_behind_its_header_is_refused():
    with zipfile.ZipFile(io.BytesIO(make_workbook([["address", "kind"], ["a@x.example", "pool"]]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(
        b"</sheetData>", b"<row><c></sheetData>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidInputError, match="The workbook is damaged"):
        parser.parse_file(file.getvalue())


def test_a_cell_far_away_costs_nothing():
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["address", "kind"])
    book.active["XFD1048576"] = "far"
    book.save(file)
    assert parser.parse_file(file.getvalue()).mailboxes == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("name", ["Ada", "Zoë", "Łukasz", "Иван", "田中", "😀"])
def test_unicode_is_never_read_as_something_else(encoding: str, name: str):
    text = f"address,kind,display_name\na@x.example,pool,{name}\n"
    raw = text.encode(encoding) if encoding != "utf-32-be" else b"\x00\x00\xfe\xff" + text.encode(encoding)
    assert text_encoding.decode_text(raw).text == text

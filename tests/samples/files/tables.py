"""One table of three mailboxes as spreadsheet programs and people write it, and values with their meaning."""

from __future__ import annotations

import io
from typing import Any

EXPECTED = [
    ("ada@warm.example", "warmup", 40, 80, "Europe/Berlin", "Ada Müller", None),
    ("ben@pool.example", "pool", 40, 80, "UTC", "Ben, B", None),
    ("cleo@pool.example", "pool", 1000, 5, "America/New_York", "Cleo", 'Cleo "C"\nShop'),
]
"""Address, kind, daily target, open rate, time zone, display name and signature of each mailbox."""

_COMMAS = (
    "address,kind,daily_target,open_rate,timezone,display_name,signature\r\n"
    "ada@warm.example,warmup,40,80,Europe/Berlin,Ada Müller,\r\n"
    'ben@pool.example,pool,40,80,UTC,"Ben, B",\r\n'
    'cleo@pool.example,pool,1000,5,America/New_York,Cleo,"Cleo ""C""\nShop"\r\n'
)
_SEMICOLONS = (
    "E-Mail;KIND; Daily Target ;Open-Rate;Time Zone;Display name;SIGNATURE\r\n"
    "ada@warm.example;Warmup;40,0;80%;europe/berlin;Ada Müller;\r\n"
    "ben@pool.example; POOL ;;0,8;utc;Ben, B;\r\n"
    'cleo@pool.example;\'pool;1\u00a0000;5 %;america/new york;Cleo;"Cleo ""C""\nShop"\r\n'
)


def _make_workbook() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Notes of the team"])
    sheet = book.create_sheet("Mailboxes")
    sheet.append(["Address", "Kind", "Daily Target", "Open Rate", "Timezone", "Display Name", "Signature", None])
    sheet.append(["ada@warm.example", "Warmup", 40.0, 0.8, "europe/berlin", "Ada Müller"])
    sheet.append([])
    sheet.append(["ben@pool.example", "POOL", None, "80%", "UTC", "Ben, B"])
    sheet.append(["cleo@pool.example", "pool", 1000, 0.05, "America/New_York", "Cleo", 'Cleo "C"\nShop'])
    for row in (2, 5):
        sheet.cell(row, 4).number_format = "0%"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


CSV_SHAPES: tuple[tuple[str, bytes], ...] = (
    ("UTF-8", _COMMAS.encode()),
    ("UTF-8 with a mark", _COMMAS.encode("utf-8-sig")),
    ("UTF-16, little endian, with a mark", b"\xff\xfe" + _COMMAS.encode("utf-16-le")),
    ("UTF-16, big endian, with a mark", b"\xfe\xff" + _COMMAS.encode("utf-16-be")),
    ("UTF-16, little endian", _COMMAS.encode("utf-16-le")),
    ("UTF-16, big endian", _COMMAS.encode("utf-16-be")),
    ("UTF-32", _COMMAS.encode("utf-32")),
    ("Windows-1252", _COMMAS.encode("cp1252")),
    ("semicolons, Windows-1252", _SEMICOLONS.encode("cp1252")),
    ("semicolons, UTF-8", _SEMICOLONS.encode()),
    ("Unicode text: tabs, UTF-16", _SEMICOLONS.replace(";", "\t").encode("utf-16")),
    ("vertical bars", _SEMICOLONS.replace(";", "|").encode()),
    ("sep=;", b"sep=;\r\n" + _SEMICOLONS.encode()),
    ("SEP=; in quotes", b'"SEP=;"\r\n' + _SEMICOLONS.encode("utf-8")),
    ("sep=, with a mark", b"\xef\xbb\xbfsep=,\r\n" + _COMMAS.encode()),
    ("sep=| in UTF-16", ("sep=|\r\n" + _SEMICOLONS.replace(";", "|")).encode("utf-16")),
    ("sep=tab", b"sep=\t\r\n" + _SEMICOLONS.replace(";", "\t").encode()),
    ("LF", _COMMAS.replace("\r\n", "\n").encode()),
    ("CRLF in a cell", _COMMAS.replace("\nShop", "\r\nShop").encode()),
    ("CR", _COMMAS.replace("\r\n", "\r").replace("\n", "\r").encode()),
    ("empty lines and columns", ("\r\n" + _COMMAS.replace("\r\n", ",,\r\n") + ",,,,,,,\r\n").encode()),
    ("workbook", _make_workbook()),
)
"""Files with the mailboxes of EXPECTED."""

REFUSED_TABLES: tuple[tuple[str, bytes, str], ...] = (
    ("Mac Roman", _COMMAS.encode("mac_roman"), "Save it again as UTF-8"),
    ("Windows-1250", "address,kind,display_name\na@warm.example,pool,Łukasz\n".encode("cp1250"), "as UTF-8"),
    ("Windows-1251", "address,kind,display_name\na@warm.example,pool,Иван\n".encode("cp1251"), "as UTF-8"),
    ("UTF-16 with half a letter", b"\xff\xfea\x00d", "is not valid UTF-16-LE text"),
    (".xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "Save it as .xlsx or as CSV UTF-8"),
    ("half a workbook", _make_workbook()[:3000], "damaged workbook or ZIP archive. Save it as .xlsx"),
)
"""Files that are not read, and a part of the remedy."""

VALUES: tuple[tuple[str, Any, Any], ...] = (
    ("kind", "Warmup", "warmup"), ("kind", " WARMUP ", "warmup"), ("kind", "'pool", "pool"),
    ("kind", "\u00a0Pool", "pool"), ("auth", "GRANT", "grant"),
    ("open_rate", "80%", 80), ("open_rate", "80 %", 80), ("open_rate", "0.8", 80), ("open_rate", "0,8", 80),
    ("open_rate", ".8", 80), ("open_rate", "80,0", 80), ("open_rate", "80.00", 80), ("open_rate", "'80", 80),
    ("open_rate", "\u00a080\u00a0", 80), ("open_rate", "1%", 1), ("open_rate", "100%", 100), ("open_rate", "1", 1),
    ("open_rate", "0", 0), ("open_rate", "0,0", 0), ("reply_rate", "55,0 %", 55), ("reply_rate", 0.55, 55),
    ("open_rate", 80.0, 80),
    ("daily_target", "50.0", 50), ("daily_target", "50,00", 50), ("daily_target", "1,500", 1500),
    ("daily_target", "1 500", 1500), ("daily_target", "1\u202f500", 1500), ("daily_target", "1'500", 1500),
    ("daily_target", "1,500.00", 1500), ("daily_target", "1.500,0", 1500), ("daily_target", 50.0, 50),
    ("timezone", "europe/berlin", "Europe/Berlin"), ("timezone", "'UTC", "UTC"),
    ("timezone", "America/New York", "America/New_York"),
)  # fmt: skip
"""A column, a value in a file, and the setting that it means."""

REFUSED_VALUES: tuple[tuple[str, Any, str], ...] = (
    ("open_rate", "1.0", "write 1% or 100%"), ("open_rate", "1,0", "write 1% or 100%"),
    ("daily_target", "1.000", "can mean 1 or 1000; write it without '.'"),
    ("daily_target", "2,000", "can mean 2 or 2000; write it without ','"),
    ("open_rate", "80.5%", "must be a whole number from 0 to 100"),
    ("open_rate", "0.8%", "must be a whole number from 0 to 100"),
    ("open_rate", "101%", "must be a whole number from 0 to 100"),
    ("open_rate", "most", "must be a whole number from 0 to 100"),
    ("daily_target", "50%", "must be a whole number from 1 to 2000"),
    ("daily_target", "1,2,3", "must be a whole number from 1 to 2000"),
    ("daily_target", "2026-01-31T00:00:00", "must be a whole number from 1 to 2000"),
    ("kind", "monitor", "must be warmup or pool"),
    ("timezone", "CET", "use a city, for example Europe/Brussels"),
)  # fmt: skip
"""A column, a value that has no meaning or two, and a part of the rule."""

"""Looks for secrets wherever something could be written: in files, tables, answers and the process list.

A secret is known by a piece out of its middle, so that one which was cut, quoted or put into a URL is found too, and
by what base64 and hexadecimal make of it, wherever in a longer text it stood.
"""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

PIECE = 20
"""Characters of a secret that give it away; far more than anything else has in common with it."""
MADE_BY_GOOGLE = {
    "a refresh token": re.compile(rb"1(?://|%2F%2F|\\/\\/)0[\w-]{40}"),
    "an access token": re.compile(rb"ya29\.a0[\w-]{40}"),
    "an authorization code": re.compile(rb"4(?:/|%2F|\\/)0A[\w-]{40}"),
}
"""How the secrets of Google's stand-in look, known or not."""


@dataclass(frozen=True)
class Found:
    """A secret where it must not be: what it is, and the place."""

    secret: str
    place: str


@dataclass
class Hunt:
    """A search for secrets, by name; what is found is kept."""

    secrets: Mapping[str, str]
    found: list[Found] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)
    """Bytes by kind of place, so that a search which looked at nothing is seen."""

    def __post_init__(self) -> None:
        self._needles = [(name, needle) for name, secret in self.secrets.items() for needle in forms(secret)]

    def look(self, kind: str, place: str, content: bytes) -> None:
        """Search one content."""
        self.looked_at[kind] = self.looked_at.get(kind, 0) + len(content)
        names = {name for name, needle in self._needles if needle in content}
        names |= {name for name, pattern in MADE_BY_GOOGLE.items() if pattern.search(content)}
        self.found += [Found(name, f"{kind}: {place}") for name in sorted(names)]


def forms(secret: str) -> set[bytes]:
    """Return what gives a secret away: a piece of it, as it is and as it is commonly written."""
    start = max(0, (len(secret) - PIECE) // 2)
    piece = secret[start : start + PIECE].encode()
    found = {piece, quote(piece, safe="").encode(), piece.hex().encode(), piece.hex().upper().encode()}
    for shift in range(3):  # base64 takes three bytes at once: what it makes depends on where they begin
        whole = piece[shift : shift + (len(piece) - shift) // 3 * 3]
        found |= {base64.b64encode(whole), base64.urlsafe_b64encode(whole)}
    return found


def files(root: Path, *, but: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, without the named ones and what is in them."""
    left_out = set(but)
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if str((here / name).relative_to(root)) not in left_out]
        for name in names:
            path = here / name
            if str(path.relative_to(root)) not in left_out and path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


def tables(engine: sa.Engine, *schemas: str) -> Iterator[tuple[str, bytes]]:
    """Yield each column of every table, all its rows together; what was compressed is unpacked."""
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        for schema in schemas:
            for table in inspector.get_table_names(schema=schema):
                name = f'"{schema}"."{table}"'
                for column in inspector.get_columns(table, schema=schema):
                    raw = isinstance(column["type"], sa.LargeBinary)
                    what = f'"{column["name"]}"' + ("" if raw else "::text")
                    values = connection.exec_driver_sql(
                        f'SELECT {what} FROM {name} WHERE "{column["name"]}" IS NOT NULL'
                    ).scalars()
                    cells = [unpacked(bytes(value)) if raw else str(value).encode() for value in values]
                    yield f"{schema}.{table}.{column['name']}", b"\n".join(cells)


def unpacked(content: bytes) -> bytes:
    """Return what was compressed as it was before, and anything else as it is."""
    try:
        return zlib.decompress(content)
    except zlib.error:
        return content


def processes(part: str) -> Iterator[tuple[int, bytes]]:
    """Yield `cmdline` or `environ` of every process of this machine that may be read."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                yield int(entry.name), (entry / part).read_bytes()
            except OSError:  # it has ended, or is somebody else's
                continue

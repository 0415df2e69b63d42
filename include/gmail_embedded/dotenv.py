"""Read ``.env`` files strictly: every accepted line has the same meaning for `docker compose`."""

from __future__ import annotations

import re
from pathlib import Path

from gmail_embedded.errors import EmbeddedError

_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_SINGLE = re.compile(r"^'([^']*)'\s*(#.*)?$")
_DOUBLE = re.compile(r'^"([^"\\$]*)"\s*(#.*)?$')
_PLAIN = re.compile(r"^([^\s'\"$`\\#][^\s'\"$`\\]*)?(\s+#.*)?$")


def parse_variables(text: str, name: str = ".env") -> dict[str, str]:
    """Return the variables of a file's text.

    Raises:
        EmbeddedError: for the first malformed line, with its number and the broken rule, without its value.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            variable, value = _parse_assignment(line)
            if variable in found:
                raise ValueError(f"{variable} is set a second time; keep one of the two lines")
        except ValueError as error:
            raise EmbeddedError(f"{name}, line {number}: {error}.") from None
        found[variable] = value
    return found


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of a file.

    Raises:
        EmbeddedError: if it is missing, unreadable or malformed.
    """
    try:
        return parse_variables(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise EmbeddedError(f"{path} is missing. Create it with: make env") from None
    except UnicodeDecodeError:
        raise EmbeddedError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be read: {error.strerror}.") from None


def _parse_assignment(line: str) -> tuple[str, str]:
    match = _ASSIGNMENT.match(line)
    if not match:
        raise ValueError("a line must read NAME=value, without spaces around the '=' and without 'export'")
    variable, value = match.groups()
    for quoted in (_SINGLE, _DOUBLE):
        if found := quoted.match(value):
            return variable, found[1]
    if value[:1] in ("'", '"'):
        raise ValueError(
            f"the value of {variable} must end with the quote it begins with, without another quote, $ or \\ in it"
        )
    if not (plain := _PLAIN.match(value)):
        raise ValueError(f"the value of {variable} contains a space, quote, $, ` or \\; put it in single quotes")
    return variable, plain[1] or ""

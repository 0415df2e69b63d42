"""Tag lists, the format of DKIM keys and DMARC records (RFC 6376, 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WHITESPACE = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class TagList:
    """A parsed tag list.

    Attributes:
        names: the names of the tags, in order, as published.
        values: the first value of each tag, by name.
        repeated: the names that appear more than once.
        malformed: the parts that are no tags.
    """

    names: tuple[str, ...]
    values: dict[str, str]
    repeated: tuple[str, ...]
    malformed: tuple[str, ...]


def parse_tag_list(text: str, *, ignore_case: bool = False) -> TagList:
    """Parse a tag list. Nothing is raised: what is no tag is listed.

    Args:
        ignore_case: whether the case of a name does not matter; names are then in lower case.
    """
    names: list[str] = []
    values: dict[str, str] = {}
    malformed: list[str] = []
    for part in filter(None, (part.strip(_WHITESPACE) for part in text.split(";"))):
        name, equals, value = part.partition("=")
        name, value = name.rstrip(_WHITESPACE), value.lstrip(_WHITESPACE)
        if not (equals and _NAME.fullmatch(name) and _is_printable(value)):
            malformed.append(part)
            continue
        name = name.lower() if ignore_case else name
        names.append(name)
        values.setdefault(name, value)
    repeated = tuple(name for name in values if names.count(name) > 1)
    return TagList(names=tuple(names), values=values, repeated=repeated, malformed=tuple(malformed))


def _is_printable(value: str) -> bool:
    return all("\x20" <= char <= "\x7e" or char in _WHITESPACE for char in value)

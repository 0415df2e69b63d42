"""Macro strings of SPF records (RFC 7208, 7): parse them, and expand them for a connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from gmail_warmup.core.errors import GmailWarmupError

MAX_NAME_LENGTH = 253

_MACRO = re.compile(
    r"%(?:(?P<escape>[%_-])"
    r"|\{(?P<letter>[slodiphcrtv])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<delimiters>[-.+,/_=]*)\})",
    re.IGNORECASE | re.ASCII,
)
_LITERALS = re.compile(r"[\x21-\x24\x26-\x7e]+")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_EXPLANATION_LETTERS = frozenset("crt")
_DOMAIN_END = re.compile(
    # "." toplabel ["."]; a top label has a letter or a hyphen inside
    r"\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?$",
    re.IGNORECASE | re.ASCII,
)


class MacroSyntaxError(GmailWarmupError):
    """A macro string or a domain specification is malformed."""


@dataclass(frozen=True, kw_only=True)
class Macro:
    """A macro such as ``%{i2r.}``.

    Attributes:
        letter: which value, in lower case.
        part_count: how many parts at the right are kept; 0 for all.
        is_reversed: whether the order of the parts is reversed.
        delimiters: the characters that separate the parts.
        is_escaped: whether the value is URL-escaped.
    """

    letter: str
    part_count: int
    is_reversed: bool
    delimiters: str
    is_escaped: bool


MacroString = tuple[str | Macro, ...]
"""Literal texts and macros, in order."""


def parse_macro_string(text: str) -> MacroString:
    """Parse a macro string.

    Raises:
        MacroSyntaxError: if it is malformed.
    """
    parts: list[str | Macro] = []
    position = 0
    while position < len(text):
        macro = _MACRO.match(text, position)
        match = macro or _LITERALS.match(text, position)
        if match is None:
            raise MacroSyntaxError(f"the character at {text[position : position + 10]!r} is not allowed")
        parts.append(_build_macro(macro) if macro else match[0])
        position = match.end()
    return tuple(parts)


def _build_macro(match: re.Match[str]) -> str | Macro:
    if match["escape"]:
        return _ESCAPES[match["escape"]]
    digits = match["digits"].lstrip("0")[:9]
    if match["digits"] and not digits:
        raise MacroSyntaxError(f"{match[0]} keeps no part")
    return Macro(
        letter=match["letter"].lower(),
        part_count=int(digits or 0),
        is_reversed=bool(match["reverse"]),
        delimiters=match["delimiters"] or ".",
        is_escaped=match["letter"].isupper(),
    )


def parse_domain_spec(text: str) -> MacroString:
    """Parse a domain specification: a macro string that ends with a macro or with a top-level label (7.1).

    Raises:
        MacroSyntaxError: if it is malformed.
    """
    parts = parse_macro_string(text)
    forbidden = [part.letter for part in parts if isinstance(part, Macro) and part.letter in _EXPLANATION_LETTERS]
    if forbidden:
        raise MacroSyntaxError(f"the macro %{{{forbidden[0]}}} is allowed in an explanation only")
    if not text:
        raise MacroSyntaxError("the domain is missing")
    if not (_ends_with_macro(text) or _DOMAIN_END.search(text)):
        raise MacroSyntaxError(f"{text} is not a domain")
    return parts


def _ends_with_macro(text: str) -> bool:
    return any(match.end() == len(text) for match in _MACRO.finditer(text))


def expand_macros(parts: MacroString, get_value: Callable[[str], str]) -> str:
    """Return a macro string with each macro replaced by its value.

    Args:
        get_value: returns the value of a macro letter.
    """
    return "".join(part if isinstance(part, str) else _expand_macro(part, get_value(part.letter)) for part in parts)


def expand_domain(parts: MacroString, get_value: Callable[[str], str]) -> str:
    """Return a domain name; labels at the left are removed if it is too long (7.3)."""
    name = expand_macros(parts, get_value).removesuffix(".")
    while len(name) > MAX_NAME_LENGTH and "." in name:
        name = name.partition(".")[2]
    return name


def _expand_macro(macro: Macro, value: str) -> str:
    parts = re.split(f"[{re.escape(macro.delimiters)}]", value)
    if macro.is_reversed:
        parts.reverse()
    text = ".".join(parts[-macro.part_count :])
    return quote(text, safe="-._~") if macro.is_escaped else text

"""Which characters a text may contain: the one rule for input, for mail headers and for credentials.

A person cannot see most of the characters that are refused here, so each error names the code point.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ASCII_SPACE = " \t\n\r\f\v"
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))  # controls, surrogates, line and paragraph separators
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols without a shape."""
_CONTROL_NAMES = {0: "NUL", 9: "TAB", 10: "LINE FEED", 13: "CARRIAGE RETURN", 0x7F: "DELETE", 0x85: "NEXT LINE"}


def describe_character(char: str) -> str:
    """Return the code point and the name of a character, such as ``U+200B (ZERO WIDTH SPACE)``."""
    default = "SURROGATE" if unicodedata.category(char) == "Cs" else "CONTROL CHARACTER"
    name = unicodedata.name(char, _CONTROL_NAMES.get(ord(char), default))
    return f"U+{ord(char):04X} ({name})"


def is_unsafe_in_text(char: str) -> bool:
    """Return whether no text of one line may contain a character: line breaks, other controls, surrogates."""
    return unicodedata.category(char) in _UNSAFE_CATEGORIES


def is_unsafe_in_name(char: str) -> bool:
    """Return whether a display name must not contain a character.

    Controls of the writing direction can make a name look like another one, or hide the address behind it.
    """
    return is_unsafe_in_text(char) or char in _BIDI_CONTROLS


def is_unsafe_in_paragraphs(char: str) -> bool:
    """Return whether a text of several lines must not contain a character."""
    return char not in "\t\r\n" and unicodedata.category(char) in ("Cc", "Cs")


def is_not_printable_ascii(char: str) -> bool:
    """Return whether a credential must not contain a character."""
    return not "!" <= char <= "~"


def is_invisible(char: str) -> bool:
    """Return whether a person cannot see a character: spaces, controls, format characters, variation selectors."""
    return unicodedata.category(char)[0] in "CZ" or _FILLERS.match(char) is not None


def find_character(text: str, is_unsafe: Callable[[str], bool]) -> str | None:
    """Return the description of the first unsafe character, or None."""
    return next((describe_character(char) for char in text if is_unsafe(char)), None)


def to_one_line(text: str) -> str:
    """Return a text with one space in place of line breaks, other control characters and series of spaces."""
    return " ".join("".join(" " if is_unsafe_in_text(char) else char for char in text).split())


MAX_REASON_LENGTH = 500
"""Maximum number of characters of the reason for a pause or a stop."""


def normalize_reason(text: str) -> str:
    """Return the reason for a change, trimmed.

    Raises:
        ValueError: if it is empty, too long, or not one line.
    """
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= MAX_REASON_LENGTH:
        raise ValueError(f"must have 1 to {MAX_REASON_LENGTH} characters")
    if found := find_character(trimmed, is_unsafe_in_text):
        raise ValueError(f"must be one line without control characters; it contains {found}")
    return trimmed


MAX_TOKEN_LENGTH = 4096
"""Maximum number of characters of a token; Google's have up to 2048."""


def normalize_credential(text: str, *, max_length: int) -> str:
    """Return a token, client id or client secret, trimmed.

    Raises:
        ValueError: if it contains other characters than printable ASCII, naming the first one; never the credential.
    """
    trimmed = text.strip()
    if len(trimmed) > max_length:
        raise ValueError(f"is longer than {max_length} characters")
    if found := find_character(trimmed, is_not_printable_ascii):
        raise ValueError(f"must be printable ASCII without spaces, but contains the character {found}")
    return trimmed

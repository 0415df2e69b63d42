"""Format texts for people. Imports nothing heavy, so that the command line's help is fast."""

from __future__ import annotations

from collections.abc import Sequence


def pluralize(number: int, thing: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural unless the number is 1.

    Args:
        plural: the plural form; by default the noun with "s", or "es" after an "x".
    """
    plural = plural or (f"{thing}es" if thing.endswith("x") else f"{thing}s")
    return f"{number} {thing if number == 1 else plural}"


def to_storable_text(text: str) -> str:
    """Replace characters that PostgreSQL cannot store, such as NUL, by U+FFFD, which no stored text contains."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\x00", "\ufffd")


def join_first(names: Sequence[str]) -> str:
    """Return the first three names and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


_MAX_SHOWN = 60
"""Maximum number of characters of an invalid value in an error message."""


def shorten_text(text: str) -> str:
    """Return a text for an error message: shortened, and with unprintable characters as escape sequences."""
    shown = text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)


def to_shown_text(text: str, *, limit: int) -> str:
    """Return a foreign text in one line and with at most ``limit`` characters, without unprintable ones."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."

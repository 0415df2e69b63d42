"""Small words for what people read. Imports nothing: the command line's help has to be quick."""

from __future__ import annotations

from collections.abc import Sequence


def pluralize(number: int, thing: str) -> str:
    """Return a number with its noun."""
    plural = f"{thing}es" if thing.endswith("x") else f"{thing}s"
    return f"{number} {thing if number == 1 else plural}"


def join_first(names: Sequence[str]) -> str:
    """Return the first three names and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more

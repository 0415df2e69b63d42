"""Check values that a DAG fills in: a template or an XCom may return something else than a text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from gmail_warmup.core.errors import InvalidInputError


def require_text(name: str, value: Any) -> str:
    """Return a value that has to be a text.

    Raises:
        InvalidInputError: naming the argument and the type of its value.
    """
    if not isinstance(value, str):
        kind = type(value).__name__
        raise InvalidInputError(f"{name}: the value has to be a text, not {kind}. Check its template or XCom.")
    return value


def require_texts(name: str, values: Any) -> list[str]:
    """Return one text, or several, as a list; None and an empty text, which a template may return, as none.

    Raises:
        InvalidInputError: naming the argument, if one of them is not a text.
    """
    if values is None or values == "":
        return []
    listed = [values] if isinstance(values, str | PurePath) or not isinstance(values, Iterable) else values
    return [str(value) if isinstance(value, PurePath) else require_text(name, value) for value in listed]

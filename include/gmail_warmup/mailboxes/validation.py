"""The rule that a wrong input breaks, in words for whoever typed it; the page, the files and the shell share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

_NUMBER_TYPES = ("int_", "greater_than", "less_than", "float_")


def describe_rule(problem: Mapping[str, Any], field: FieldInfo | None = None) -> str:
    """Return the rule that one of pydantic's problems is about; what was given is not repeated.

    Args:
        field: the field that the problem is about, for the bounds of a number.
    """
    kind, context = str(problem["type"]), problem.get("ctx", {})
    limits = _get_bounds(field)
    if kind == "missing" or (kind == "string_too_short" and context["min_length"] == 1):
        return "is required"
    if kind == "json_invalid":
        return "The body is not valid JSON"
    if kind == "extra_forbidden":
        return "is not known"
    if limits and kind.startswith(_NUMBER_TYPES):
        return f"must be a whole number from {limits[0]} to {limits[1]}"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "enum":
        return f"must be {context['expected']}".replace("'", "")
    return str(problem["msg"]).removeprefix("Value error, ")


def _get_bounds(field: FieldInfo | None) -> tuple[int, int] | None:
    """Return the lowest and the highest value of a number."""
    limits = {
        key: getattr(item, key)
        for item in (field.metadata if field else ())
        for key in ("ge", "le")
        if hasattr(item, key)
    }
    return (int(limits["ge"]), int(limits["le"])) if len(limits) == 2 else None

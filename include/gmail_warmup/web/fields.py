"""What is wrong with an input, field by field, in words for whoever typed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gmail_warmup.mailboxes.records import MailboxSettings

_NUMBER_TYPES = ("int_", "greater_than", "less_than", "float_")


def explain(problems: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Turn pydantic's problems into fields with the rule that each one breaks; what was given is not repeated."""
    explained = []
    for problem in problems:
        name = _field(problem["loc"])
        explained.append({"field": name, "message": _rule(name, problem)})
    return explained


def bounds(name: str) -> tuple[int, int] | None:
    """Return the lowest and the highest value of a numeric setting."""
    field = MailboxSettings.model_fields.get(name)
    limits = {
        key: getattr(item, key)
        for item in (field.metadata if field else ())
        for key in ("ge", "le")
        if hasattr(item, key)
    }
    return (int(limits["ge"]), int(limits["le"])) if len(limits) == 2 else None


def _field(place: tuple[Any, ...]) -> str:
    names = [str(part) for part in place if part not in ("body", "query", "path", "settings")]
    return ".".join(names)


def _rule(name: str, problem: Mapping[str, Any]) -> str:
    kind, context = str(problem["type"]), problem.get("ctx", {})
    limits = bounds(name)
    if kind == "missing":
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

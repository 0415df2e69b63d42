"""What is wrong with an input, field by field, in words for whoever typed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.validation import describe_rule


def describe_errors(problems: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Turn pydantic's problems into fields with the rule that each one breaks; what was given is not repeated."""
    explained = []
    for problem in problems:
        name = _field_name(problem["loc"])
        explained.append({"field": name, "message": describe_rule(problem, MailboxSettings.model_fields.get(name))})
    return explained


def _field_name(place: tuple[Any, ...]) -> str:
    names = [str(part) for part in place if part not in ("body", "query", "path", "settings", "changes")]
    return ".".join(names)

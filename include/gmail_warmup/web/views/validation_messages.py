"""Validation errors as one message per field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.validation import describe_rule


def describe_errors(problems: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Convert pydantic's errors to fields with the broken rule. The input itself is never repeated."""
    messages = []
    for problem in problems:
        name = _field_name(problem["loc"])
        messages.append({"field": name, "message": describe_rule(problem, MailboxSettings.model_fields.get(name))})
    return messages


def _field_name(place: tuple[Any, ...]) -> str:
    names = [str(part) for part in place if part not in ("body", "query", "path", "settings", "changes", "values")]
    return ".".join(names)

"""The rules for whole numbers and dates, and the text of the rule that an invalid input or stored value violates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from gmail_warmup.core.characters import ASCII_SPACE
from gmail_warmup.core.option_types import DATE_RULE, parse_date
from gmail_warmup.core.text import shorten_text

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_SUBJECT = re.compile(r"^\w+ should ")
"""How pydantic begins a rule, such as "Input should"; here the name of the field stands in front of it."""


def require_whole_number(value: Any) -> Any:
    """Return what a person or a program gives as a number: a whole number, or one as text, as forms and commands have.

    Pydantic, which converts it, also takes ``true`` as 1, ``1.0`` and ``1e3``. Null is for fields that may be null.

    Raises:
        PydanticCustomError: it is anything else.
    """
    is_number = value is None or (isinstance(value, int) and not isinstance(value, bool))
    if is_number or (isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip(ASCII_SPACE))):
        return value
    raise PydanticCustomError("int_type", "must be a whole number")


WHOLE_NUMBER = BeforeValidator(require_whole_number)
"""Behind the limits of every number in a request: ``Annotated[int, Field(ge=1), WHOLE_NUMBER]``."""


def require_date(value: Any) -> Any:
    """Return what a person or a program gives as a date. Pydantic also takes seconds since 1970, and times.

    Raises:
        PydanticCustomError: it is anything else.
    """
    if value is None or isinstance(value, date):
        return value
    try:
        return parse_date(value if isinstance(value, str) else "")
    except ValueError as error:
        raise PydanticCustomError("date_type", str(error)) from None


DATE = BeforeValidator(require_date)
"""For every date in a request: ``Annotated[date, DATE]``."""

_NUMBER_TYPES = ("int_", "greater_than", "less_than", "float_")


@dataclass(frozen=True, kw_only=True)
class InvalidValue:
    """A stored value that breaks a rule: its column, the rule with the value, and the remedy."""

    column: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return all of it as one line."""
        return f"{self.column}: {self.rule}. {self.remedy}"


def describe_rule(problem: Mapping[str, Any], field: FieldInfo | None = None) -> str:
    """Return the rule of one pydantic error, without the given value.

    Args:
        field: the invalid field, for the bounds of a number.
    """
    kind, context = str(problem["type"]), problem.get("ctx", {})
    bounds = get_bounds(field)
    if kind == "missing" or (kind == "string_too_short" and context["min_length"] == 1):
        return "is required"
    if kind == "json_invalid":
        return "The body is not valid JSON"
    if kind == "extra_forbidden":
        return "is not known"
    if bounds and kind.startswith(_NUMBER_TYPES):
        return f"must be a whole number from {bounds[0]} to {bounds[1]}"
    if kind.startswith("int_"):
        return "must be a whole number"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be at least {context['ge']}" if "ge" in context else f"must be at most {context['le']}"
    if kind.startswith("date_"):
        return DATE_RULE
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind in ("enum", "literal_error"):
        return f"must be {context['expected']}".replace("'", "")
    return _SUBJECT.sub("must ", str(problem["msg"]).removeprefix("Value error, "))


def describe_stored_rule(problem: Mapping[str, Any], value: object, field: FieldInfo) -> str:
    """Return the rule of one pydantic error with the stored value that breaks it."""
    return f"{describe_rule(problem, field)} (stored: {escape_stored(value)})"


def escape_stored(value: object) -> str:
    """Return a stored value for an error message: shortened, and in ASCII."""
    return shorten_text(str(value).encode("unicode_escape").decode("ascii"))


def get_bounds(field: FieldInfo | None) -> tuple[int, int] | None:
    """Return the minimum and the maximum of a number field; None for any other field."""
    bounds = {
        key: getattr(item, key)
        for item in (field.metadata if field else ())
        for key in ("ge", "le")
        if hasattr(item, key)
    }
    return (int(bounds["ge"]), int(bounds["le"])) if len(bounds) == 2 else None


def get_max_length(model: type[BaseModel], name: str) -> int | None:
    """Return the maximum length of a text field of a model; None if it has none."""
    schema = model.model_json_schema()["properties"][name]
    lengths = (part.get("maxLength") for part in schema.get("anyOf", [schema]))
    return next((int(length) for length in lengths if length is not None), None)

"""Every number of every request body is a whole number within its limits: no flag, no fraction, no exponent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from gmail_warmup.web.api import router
from gmail_warmup.web.views.validation_messages import describe_errors

WRONG = [
    True,
    False,
    1.0,
    1.5,
    1e3,
    math.nan,
    math.inf,
    10**30,
    -(10**30),
    "1.0",
    "1e3",
    "1_0",
    "\uff10",
    "true",
    "x",
    [1],
    {},
]
WORDS = ("must be a whole number", "Input should be ")


def find_numbers(model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the number fields of a model and of the models in it."""
    for name, field in model.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        kinds |= {getattr(kind, "__origin__", kind) for kind in kinds}
        if kinds & {int, float}:
            yield model, name
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from find_numbers(kind)


def list_bodies() -> list[type[BaseModel]]:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    fields = [parameter for route in routes for parameter in route.dependant.body_params]
    return [field.field_info.annotation for field in fields if isinstance(field.field_info.annotation, type)]


NUMBERS = sorted({pair for body in list_bodies() for pair in find_numbers(body)}, key=str)


def test_the_numbers_are_found():
    assert {name for _, name in NUMBERS} >= {"at_most", "user_limit", "daily_target", "ramp_cap", "open_rate"}


def reject(model: type[BaseModel], name: str, value: Any) -> list[str]:
    """Return the messages about a field."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return [item["message"] for item in describe_errors(error.errors()) if item["field"] == name]
    return []


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=[f"{model.__name__}.{name}" for model, name in NUMBERS])
def test_anything_else_is_refused_with_the_rule(model: type[BaseModel], name: str, value: Any):
    (message,) = reject(model, name, value)
    assert message.startswith(WORDS), message


@pytest.mark.parametrize("value", [5, "5", " 5 "])
@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=[f"{model.__name__}.{name}" for model, name in NUMBERS])
def test_a_whole_number_is_accepted_also_as_text(model: type[BaseModel], name: str, value: Any):
    assert reject(model, name, value) == []

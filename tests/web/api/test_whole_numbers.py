"""Every number of every request is a whole number within its limits, and every date a date: no flag, no fraction."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from gmail_warmup.web.api import router
from gmail_warmup.web.api.readiness import ReadinessIn
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
WORDS = ("must be a whole number", "must be at least ", "must be at most ")
WRONG_DATES = [5, 0, True, 1.0, "0", "86400", "-86400", "20270101", "2027-02-30", "2027-W01-1", "tomorrow", "", [], {},
               "2027-01-01T00:00:00", "1798761600"]  # fmt: skip


def find_fields(model: type[BaseModel], wanted: set[type]) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the fields of some types of a model and of the models in it."""
    for name, field in model.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        kinds |= {getattr(kind, "__origin__", kind) for kind in kinds}
        if kinds & wanted:
            yield model, name
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from find_fields(kind, wanted)


ROUTES = [route for route in router.routes if isinstance(route, APIRoute)]
PARAMETERS = [(route, field) for route in ROUTES for field in route.dependant.query_params]


def list_fields(*wanted: type) -> list[tuple[type[BaseModel], str]]:
    """Return the fields of some types in the bodies and in the queries that have a model."""
    fields = [
        *(field for route in ROUTES for field in route.dependant.body_params),
        *(field for _, field in PARAMETERS),
    ]
    kinds = {field.field_info.annotation for field in fields}
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return sorted({pair for model in models for pair in find_fields(model, set(wanted))}, key=str)


NUMBERS, DATES = list_fields(int, float), list_fields(dt.date)
NUMBERS_IN_QUERIES = [
    pytest.param(field, id=f"{route.path} {field.name}")
    for route, field in PARAMETERS
    if {int, float} & {field.field_info.annotation, *get_args(field.field_info.annotation)}
]


def test_the_numbers_are_found():
    assert {name for _, name in NUMBERS} >= {"at_most", "user_limit", "daily_target", "ramp_cap", "open_rate", "limit"}
    assert {field.values[0].name for field in NUMBERS_IN_QUERIES} >= {"days", "before", "after", "limit"}
    assert {name for _, name in DATES} == {"until", "week"}


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


@pytest.mark.parametrize("value", ["true", "1.0", "1e3", "1_0", "x", "", str(10**30)])
@pytest.mark.parametrize("field", NUMBERS_IN_QUERIES)
def test_a_number_in_a_query_has_the_same_rule(field: Any, value: str):
    _, errors = field.validate(value, {}, loc=("query", field.name))
    (found,) = describe_errors(errors)
    assert found == {"field": field.name, "message": "must be a whole number"}
    assert not field.validate("5", {}, loc=("query", field.name))[1]


@pytest.mark.parametrize("value", WRONG_DATES, ids=repr)
@pytest.mark.parametrize(("model", "name"), DATES, ids=[f"{model.__name__}.{name}" for model, name in DATES])
def test_a_date_is_written_as_one(model: type[BaseModel], name: str, value: Any):
    assert reject(model, name, value) == ["must be a date as YYYY-MM-DD, for example 2026-12-24"]
    assert reject(model, name, "2027-01-01") == []


def test_a_number_beyond_a_limit_is_refused_with_the_limit():
    limits = [reject(ReadinessIn, "limit", number) for number in (0, 1001)]
    assert limits == [["must be at least 1"], ["must be at most 1000"]]

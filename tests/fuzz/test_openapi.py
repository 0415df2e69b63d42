"""What the API says of itself is true: requests made from its own description, and the answers held against it."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuzz.web import ORIGIN, Page

REQUESTS = 25
"""For each operation and each kind: requests that the description allows, and such that it does not."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_the_api_answers_as_it_says(site: Page, mode: GenerationMode):
    found = list(schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.app, timeout=60).get_all_operations())
    operations = [each.ok() for each in found if isinstance(each, Ok)]
    assert len(operations) == len(found) > 10
    for operation in operations:
        asked = 0

        @settings(
            max_examples=REQUESTS, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(headers={"Origin": ORIGIN}, checks=CHECKS)

        ask()
        assert asked > 0, operation.label

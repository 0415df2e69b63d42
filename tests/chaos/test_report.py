"""The table of ``make chaos`` and its line of JSON: what tests say of themselves, added up; a failure is never lost."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console

from chaos.faults import PROPERTY, Fault
from chaos.report import Report


def told(*faults: Fault, **counts: int) -> list[tuple[str, object]]:
    return [(PROPERTY, dataclasses.asdict(fault)) for fault in faults] + list(counts.items())


def test_what_tests_found_is_added_up():
    report = Report()
    report.take("one", told(Fault("cut", 3, 20), Fault("killed", 1, 5), fuzz_inputs=1_000), failed=False)
    report.take("two", told(Fault("cut", 2, 10, ["a mail was sent 2 times"]), fuzz_inputs=500), failed=True)
    line = json.loads(report.as_json())
    seconds = line.pop("seconds")
    assert line == {
        "faults": 2, "injected": 6, "violations": 1, "fuzz_inputs": 1_500, "server_errors": None, "secrets_found": None,
    }  # fmt: skip
    assert seconds >= 0
    out = io.StringIO()
    report.show(Console(file=out, width=120))
    assert "cut: a mail was sent 2 times" in out.getvalue()


@pytest.mark.parametrize("said", [[], [Fault("killed", 1, 5)]], ids=["before-it-began", "with-an-account"])
def test_a_test_that_fails_without_a_word_is_a_violation(said: list[Fault]):
    report = Report()
    report.take("tests/chaos/test_x.py::test_y", told(*said), failed=True)
    assert report.violations == 1


def test_a_fault_that_never_struck_or_was_never_looked_at_proves_nothing():
    for fault in (Fault("killed", 0, 5), Fault("killed", 5, 0)):
        with pytest.raises(AssertionError, match="killed"):
            fault.hold()


def test_one_broken_promise_does_not_hide_the_next():
    fault = Fault("killed", 1)
    for promise in ("no mail twice", "none lost"):
        fault.check(False, promise)
    assert (fault.checked, fault.violations) == (2, ["no mail twice", "none lost"])
    with pytest.raises(AssertionError):
        fault.hold()

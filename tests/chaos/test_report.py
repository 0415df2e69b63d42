"""The table of ``make chaos`` and its line of JSON: what tests say of themselves, added up; a failure is never lost."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from chaos.faults import PROPERTY, Fault
from chaos.report import Report


def told(*faults: Fault, **counts: float) -> list[tuple[str, object]]:
    return [(PROPERTY, dataclasses.asdict(fault)) for fault in faults] + list(counts.items())


def test_what_tests_found_is_added_up():
    report = Report()
    report.take(
        "one", told(Fault("cut", 3, 20), Fault("killed", 1, 5), fuzz_inputs=1_000, import_5000_s=1.5), failed=False
    )
    report.take(
        "two", told(Fault("cut", 2, 10, ["a mail was sent 2 times"]), fuzz_inputs=500, import_5000_s=1.25), failed=True
    )
    line = json.loads(report.as_json())
    seconds = line.pop("seconds")
    assert line == {
        "faults": 2, "injected": 6, "violations": 1, "fuzz_inputs": 1_500, "server_errors": None, "secrets_found": None,
        "lock_failures": None, "poisoned_columns": None, "others_stopped": None, "answers_tried": None,
        "removed_leftovers": None,
        "webhooks_lost": None, "webhooks_out_of_order_per_mailbox": None,
        "import_5000_s": 1.5, "audit_throttled_over_clean": None,
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


TESTS = """
import pytest
pytestmark = pytest.mark.chaos

def test_that_counts(record_property):
    record_property("fault", {"name": "cut", "injected": 3, "checked": 20, "violations": []})
    record_property("fuzz_inputs", 7)

def test_that_breaks():
    raise OSError
"""


def test_table_and_json_are_the_last_of_the_output(tmp_path: Path):
    (tmp_path / "test_made.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = chaos\n")
    argv = [sys.executable, "-m", "chaos", "-q", "-c", tmp_path / "pytest.ini", tmp_path / "test_made.py"]
    variables = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, cwd=tmp_path, check=False)
    *_, title, table = done.stdout.partition("Faults")
    assert (title, "cut" in table) == ("Faults", True)
    violation, last = table.splitlines()[-2:]
    assert violation.endswith("test_that_breaks failed")
    line = json.loads(last)
    assert (line["faults"], line["injected"], line["violations"], line["fuzz_inputs"]) == (2, 3, 1, 7)
    assert done.returncode == 1

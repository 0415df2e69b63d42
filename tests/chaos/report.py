"""The table of ``make chaos`` and its line of JSON, from what the tests say of themselves.

A test says it with pytest's own ``record_property``. Tests anywhere else can add to the line of JSON by a property that
has the name of one of ``COUNTS``, with a number; what nobody counted is null there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from chaos.faults import PROPERTY, Fault

COUNTS = (
    "fuzz_inputs", "server_errors", "secrets_found", "lock_failures", "poisoned_columns", "others_stopped",
    "answers_tried", "removed_leftovers", "webhooks_lost", "webhooks_out_of_order_per_mailbox",
)  # fmt: skip
FIGURES = ("import_5000_s", "audit_throttled_over_clean")
"""Measured figures; of several, the largest is kept."""


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Report:
    """A plugin of pytest that collects what the tests found.

    Attributes:
        faults: by name, in the order in which they came.
        counts: sums of the properties named in ``COUNTS``.
        figures: the properties named in ``FIGURES``.
    """

    faults: dict[str, Fault] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    _failed: set[str] = field(default_factory=set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take over what a test found when it is over."""
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown":
            self.take(report.nodeid, report.user_properties, failed=report.nodeid in self._failed)

    def take(self, test: str, properties: Iterable[tuple[str, object]], *, failed: bool) -> None:
        """Add one test's findings. One that failed counts as a violation, also where it did not come to say which."""
        found = list(properties)
        rows = [Fault(**value) for name, value in found if name == PROPERTY and isinstance(value, dict)]
        if failed and not any(row.violations for row in rows):
            rows = rows or [Fault(test)]
            rows[0].violations.append(f"{test} failed")
        for row in rows:
            self._add(row)
        for name, value in found:
            if name in COUNTS and isinstance(value, int):
                self.counts[name] = self.counts.get(name, 0) + value
            elif name in FIGURES and isinstance(value, int | float):
                self.figures[name] = max(self.figures.get(name, 0), value)

    def _add(self, row: Fault) -> None:
        total = self.faults.setdefault(row.name, Fault(row.name))
        total.struck(row.injected)
        total.found(row.violations, checked=row.checked)

    @property
    def violations(self) -> int:
        """Return how many things were found broken."""
        return sum(len(fault.violations) for fault in self.faults.values())

    def as_json(self) -> str:
        """Return the line of JSON."""
        injected = sum(fault.injected for fault in self.faults.values())
        line = {"faults": len(self.faults), "injected": injected, "violations": self.violations}
        line |= {name: self.counts.get(name) for name in COUNTS}  # type: ignore[arg-type]
        line |= {name: self.figures.get(name) for name in FIGURES}  # type: ignore[arg-type]
        return json.dumps(line | {"seconds": round(time.monotonic() - self.began)})

    def show(self, console: Console) -> None:
        """Print the table, and below it every violation in words."""
        table = Table(title="Faults", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("fault")
        for heading in ("injected", "checked", "violations"):
            table.add_column(heading, justify="right")
        for fault in self.faults.values():
            broken = len(fault.violations)
            style = "bold red" if broken else None
            table.add_row(fault.name, f"{fault.injected:,}", f"{fault.checked:,}", str(broken), style=style)
        console.print(table)
        for fault in self.faults.values():
            for violation in fault.violations:
                console.print(f"{fault.name}: {violation}", style="red", markup=False, soft_wrap=True)

"""``make chaos``: run the long forms of the fault tests; then a table of the faults and one line of JSON."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from chaos.report import Report

AT_ONCE = ("-n", "2", "--dist", "loadfile")
"""Two files at a time, each with its own PostgreSQL, Google and Airflow: whoever kills mostly waits for the dying."""
WIDTH = 120
"""Columns of the table where there is no terminal."""


def main() -> int:
    """Run the tests with pytest's own arguments; return 1 if anything is broken, else pytest's exit code."""
    report = Report()
    code = int(pytest.main(["-m", "chaos", *AT_ONCE, *sys.argv[1:]], plugins=[report]))
    report.show(Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH))
    print(report.as_json(), flush=True)
    return code or int(report.violations > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Benchmarks: ``make bench`` runs all of them, ``make bench BENCH=grants`` one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import grants
from bench.figures import Figures
from bench.ground import Ground, ground

BENCHES: dict[str, Callable[[Ground, Figures], None]] = {"grants": grants.run}


def main(names: list[str]) -> int:
    """Run benchmarks by name; return the exit code."""
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    worst = 0
    for name in names or BENCHES:
        figures = Figures(Console())
        with tempfile.TemporaryDirectory(prefix="gmail-warmup-bench-") as folder, ground(Path(folder)) as made:
            BENCHES[name](made, figures)
        worst = max(worst, figures.end())
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

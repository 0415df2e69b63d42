"""``make bench``: measure what is promised, on a PostgreSQL and a stand-in for Google of its own."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.capacity.parts import CAPACITY
from bench.cluster.parts import CLUSTER
from bench.engine.parts import ENGINE
from bench.floor.parts import FLOOR_BENCH
from bench.grants.parts import GRANTS
from bench.ground import Ground, ground
from bench.growth.parts import GROWTH
from bench.parsers.parts import PARSERS
from bench.report import Bench, Figure, Part, exactly, show
from bench.web.parts import WEB
from gmail_embedded.console import FAILED, WRONG_INPUT, run_command
from gmail_embedded.progress import Progress
from gmail_embedded.runfolder import CHECKOUT

BENCHES = {
    "grants": GRANTS, "web": WEB, "engine": ENGINE, "floor": FLOOR_BENCH, "cluster": CLUSTER, "growth": GROWTH,
    "capacity": CAPACITY, "parsers": PARSERS,
}  # fmt: skip
WIDTH = 120
"""Columns of the table where there is no terminal."""


def main() -> int:
    """Measure; return 1 if a target was missed, 2 if nothing of that name can be measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("bench", nargs="?", help=f"one of: {', '.join(BENCHES)}; all of them by default")
    parser.add_argument("--only", default="", help="names of parts, separated by commas")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".run" / "bench", help="for data and logs")
    chosen = parser.parse_args()
    names = [chosen.bench] if chosen.bench else list(BENCHES)
    if unknown := set(names) - BENCHES.keys():
        return _refuse(f"There is no bench '{unknown.pop()}'. There is: {', '.join(BENCHES)}.")
    missed = False
    for name in names:
        bench, only = BENCHES[name], [part for part in chosen.only.split(",") if part]
        if unknown := set(only) - {part.name for part in bench.parts}:
            known = ", ".join(part.name for part in bench.parts)
            return _refuse(f"The bench '{name}' has no part '{unknown.pop()}'. It has: {known}.")
        missed |= _measure(bench, [part for part in bench.parts if not only or part.name in only], chosen.folder)
    return FAILED if missed else 0


def _refuse(problem: str) -> int:
    print(problem, file=sys.stderr)
    return WRONG_INPUT


def _measure(bench: Bench, parts: Sequence[Part], folder: Path) -> bool:
    """Measure the parts, print table and JSON; tell whether a target was missed."""
    steps, began = Progress(), time.monotonic()
    figures: list[Figure] = []
    with ground(folder) as made:
        logging.basicConfig(filename=made.folder.log("bench"))
        for part in parts:
            figures += _part(steps, made, part)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    show(console, f"{bench.title}, measured in {time.monotonic() - began:.0f} s", figures)
    missed = [figure.label.strip() for figure in figures if figure.missed]
    if missed:
        console.print(f"[red]missed:[/] {'; '.join(missed)}", soft_wrap=True)
    print(bench.as_json(figures), flush=True)
    return bool(missed)


def _part(steps: Progress, made: Ground, part: Part) -> list[Figure]:
    """Measure one part; if it breaks, say so and go on with the next."""

    def say(text: str) -> None:
        steps.console.print(f"  {text}", soft_wrap=True, markup=False, style="dim")

    try:
        with steps.step(part.title):
            return part.run(made, say)
    except Exception:
        steps.console.print(traceback.format_exc(), markup=False)
        return [Figure(label=part.title, value=None, target=exactly(0))]


if __name__ == "__main__":
    run_command(main)

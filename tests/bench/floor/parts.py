"""The floor bench: compare the cost of a task of the product with that of a task that does nothing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.floor.cpu import PARTS
from bench.floor.parsing import parse_milliseconds
from bench.floor.planning import plan_all
from bench.floor.stage import FLOOR, REAL, Run, Stage, stage
from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, at_most
from gmail_embedded.runfolder import CHECKOUT

PAIRS, SETTLING = 5, 3
"""Pairs that are measured, and runs before them, until every action has something due in each run."""


def _tasks(ground: Ground, say: Say) -> list[Figure]:
    with stage(ground.folder.root / "floor") as site:
        for _ in range(SETTLING):
            site.run(REAL)
        pairs = [_pair(site, say) for _ in range(PAIRS)]
    ratio = statistics.median(real.seconds / floor.seconds for real, floor in pairs)
    real, floor = (statistics.median(run.seconds for run in runs) for runs in zip(*pairs, strict=True))
    tasks = sum(run.tasks.total() for run, _ in pairs)
    return [
        Figure(label="mapped tasks of both DAGs each, all pairs together", value=tasks, key="tasks"),
        Figure(label="  a run of tasks that do nothing, median", value=floor, unit="s"),
        Figure(label="  a run of gmail_warmup, median", value=real, unit="s"),
        # The ratio of wall-clock times varies by half from pair to pair, so it has no target.
        Figure(label="gmail_warmup relative to tasks that do nothing", value=ratio, key="floor_ratio"),
        *_processor(pairs),
    ]


def _processor(pairs: Sequence[tuple[Run, Run]]) -> list[Figure]:
    """Return the processor time of a mapped task by part; other load on the machine hardly changes it."""
    figures, totals = [], []
    for name, runs in (("gmail_warmup", [real for real, _ in pairs]), ("nothing", [floor for _, floor in pairs])):
        tasks = sum(run.tasks.total() for run in runs)
        spent = {part: 1000 * sum(run.cpu[part] for run in runs) / tasks for part in PARTS}
        totals.append(sum(spent.values()))
        figures.append(Figure(label=f"processor time of a task, {name}", value=totals[-1], unit="ms"))
        figures += [Figure(label=f"  {part}", value=milliseconds, unit="ms") for part, milliseconds in spent.items()]
    ratio = totals[0] / totals[1]
    return [
        Figure(label="  in processor time", value=ratio, target=at_most(1.5), key="floor_cpu_ratio"),
        *figures,
    ]


def _pair(site: Stage, say: Say) -> tuple[Run, Run]:
    """Run the product, then as many tasks that do nothing."""
    real = site.run_with_work()
    floor = site.run(FLOOR, real.tasks)
    tasks = ", ".join(f"{count} {action}" for action, count in real.tasks.items())
    say(f"{real.seconds:.1f} s and {floor.seconds:.1f} s for {tasks}: {real.seconds / floor.seconds:.2f}")
    say(f"  of the processors {real.cpu.total():.1f} s and {floor.cpu.total():.1f} s")
    return real, floor


def _parsing(ground: Ground, say: Say) -> list[Figure]:
    home = ground.folder.root / "parsing"
    files = {file.name: parse_milliseconds(file, home) for file in sorted((CHECKOUT / "dags").glob("*.py"))}
    each = [Figure(label=f"  {name}", value=milliseconds, unit="ms") for name, milliseconds in files.items()]
    label = "to parse a DAG file beyond Airflow, the slowest"
    return [
        Figure(label=label, value=max(files.values()), unit="ms", target=at_most(50), key="dag_parse_ms"),
        *each,
    ]


def _planning(ground: Ground, say: Say) -> list[Figure]:
    planned = plan_all(ground)
    say(f"mapped tasks: {planned.found}")
    return [
        Figure(
            label="to plan all actions for 10,000 mailboxes that have something due",
            value=planned.seconds,
            unit="s",
            target=at_most(2),
            key="plan_10k_s",
        ),
        Figure(
            label="  the process that does it, at most",
            value=planned.megabytes,
            unit="MB",
            target=at_most(200),
            key="plan_10k_mb",
        ),
    ]


FLOOR_BENCH = Bench(
    title="Airflow's own cost per task",
    parts=(
        Part(name="tasks", title=f"{PAIRS} runs of gmail_warmup and {PAIRS} of tasks that do nothing", run=_tasks),
        Part(name="parse", title="parsing the DAG files", run=_parsing),
        Part(name="plan", title="the plan for 10,000 mailboxes", run=_planning),
    ),
    keys=("tasks", "floor_ratio", "floor_cpu_ratio", "dag_parse_ms", "plan_10k_s", "plan_10k_mb"),
)

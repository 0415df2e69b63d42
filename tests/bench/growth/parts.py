"""The bench of growth: the same installation after six weeks, after a year, and, with ROWS=50, after six years."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import sqlalchemy as sa

from bench.ground import Ground
from bench.growth.past import LEDGER_DAYS, begin, days_for, grow
from bench.growth.queries import Cost, measure
from bench.report import Bench, Figure, Part, Say, at_most
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.ledger.maintenance import run_maintenance

MILLIONS = (1, 10, 50)
ROUNDS = 100
FLAT = 1.5
"""So many times the blocks at a million rows a query may read at most; times are noisier, and reported."""


def _sizes() -> list[int]:
    """Return the sizes to measure, in millions; the largest takes some 30 GB, so it has to be asked for."""
    return [size for size in MILLIONS if size <= int(os.environ.get("ROWS", "10"))]


def _growth(ground: Ground, say: Say) -> list[Figure]:
    ground.fresh()
    engine = sa.create_engine(ground.place().database_url, hide_parameters=True)
    costs: dict[int, dict[str, Cost]] = {}
    known = 0
    try:
        with engine.begin() as connection:
            begin(connection)
        for size in _sizes():
            began, days = time.monotonic(), days_for(size * 1_000_000)
            grow(engine, known=known, days=days)
            known = days
            say(f"{size} million mails of {days} days: filled in {time.monotonic() - began:.0f} s")
            costs[size] = measure(engine, rounds=ROUNDS, oldest_days=days)
            for name, cost in costs[size].items():
                say(f"  {name}: {cost.median:.2f} ms, p95 {cost.p95:.2f} ms, {cost.blocks:.0f} blocks")
        moved, seconds = _a_day_moves(engine)
    finally:
        engine.dispose()
        ground.fresh()
    return [
        *_figures(costs),
        Figure(label="a day's mails leave the ledger", value=moved / seconds, unit="mails/s", key="moved_a_second"),
    ]


def _a_day_moves(engine: sa.Engine) -> tuple[int, float]:
    """Let the ledger's oldest day move into the history; return how many mails that were, and seconds."""
    began = time.monotonic()
    done = run_maintenance(engine, Settings(ledger_days=LEDGER_DAYS - 1, history_months=0))
    return done.moved, time.monotonic() - began


def _figures(costs: dict[int, dict[str, Cost]]) -> Iterator[Figure]:
    least, largest = min(costs), max(costs)
    yield Figure(label="mails, in millions", value=largest, key="million_rows")
    for name, base in costs[least].items():
        for size in [size for size in costs if size > least]:
            cost = costs[size][name]
            label = f"{name}, {size} million over {least}"
            yield Figure(label=label, value=cost.p95 / base.p95, unit="times p95")
            yield Figure(label="", value=cost.blocks / max(1.0, base.blocks), unit="times blocks")
    worst = {size: _worst(costs[least], costs[size]) for size in costs if size > least}
    for size, (times, blocks) in worst.items():
        yield Figure(label=f"the most, {size} million", value=times, unit="times p95", key=f"p95_ratio_{size}m")
        yield Figure(label="", value=blocks, unit="times blocks", target=at_most(FLAT), key=f"blocks_ratio_{size}m")


def _worst(base: dict[str, Cost], grown: dict[str, Cost]) -> tuple[float, float]:
    times = max(grown[name].p95 / base[name].p95 for name in base)
    return times, max(grown[name].blocks / max(1.0, base[name].blocks) for name in base)


GROWTH = Bench(
    title="Growth",
    parts=[Part(name="growth", title="the same queries as the mails of years come together", run=_growth)],
    keys=["million_rows", "p95_ratio_10m", "blocks_ratio_10m", "p95_ratio_50m", "blocks_ratio_50m", "moved_a_second"],
)

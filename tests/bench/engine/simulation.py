"""The simulation as a whole: its shards side by side, a worker process and a database of its own for each."""

from __future__ import annotations

from collections.abc import Sequence

from bench.engine.cast import FULL, MONDAY, Script, cast
from bench.engine.play import play
from bench.engine.reckoning import Reckoning, together
from bench.fleet import fleet
from bench.ground import Ground

SHARDS, DAYS, WARMUP, POOL = 2, 60, 200, 60
"""The long form, on two cores."""
SICK_FROM = 20
SEED = 20_270_215


def scripts(
    *, shards: int, days: int, warmup: int, pool: int, sick_from: int = SICK_FROM, full: int = FULL
) -> list[Script]:
    """Return the script of each shard; the first one has the sick domain, the last one the mailbox with the whole ramp.

    Args:
        full: its target.
    """
    return [
        Script(
            players=cast(
                warmup=warmup // shards,
                pool=pool // shards,
                shard=shard,
                sick=shard == 0,
                full=full if shard == shards - 1 else None,
            ),
            days=days,
            start=MONDAY,
            spam_chance=0.02,
            sick_domain="w000.example",
            sick_chance=0.5,
            sick_from=sick_from,
            seed=SEED + shard,
        )
        for shard in range(shards)
    ]


def simulate(ground: Ground, parts: Sequence[Script]) -> Reckoning:
    """Play the scripts at the same time, and add up what happened."""
    with fleet(ground, len(parts)) as workers:
        for number, (worker, script) in enumerate(zip(workers, parts, strict=True)):
            database = f"simulation_{number}"
            ground.make_simulated(database)
            worker.order(play, database=database, script=script)
        return together([worker.result(timeout=3600) for worker in workers])

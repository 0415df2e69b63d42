"""Working days at 40 mails: the tasks in each mailbox, and how long a placement and a reply take."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bench.capacity.reckoning import ANSWERED, MAILS, OPENED, POOL_MAILS
from bench.engine.cast import MONDAY, SICK, Player, Script
from bench.engine.play import run_days
from bench.engine.stage import Stage, TaskRun
from bench.fleet import one_worker
from bench.ground import Ground
from gmail_warmup.core.enums import Action
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.warmup.planning.hour_bands import MICROSECOND
from gmail_warmup.warmup.planning.sessions import find_next_session
from support.world import World

ZONE = "Europe/Berlin"
WARMUP, DAYS = 10, 3
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Visits:
    """What was done on the days after the first one.

    Attributes:
        tasks: all of these days.
        warmup, pool, days: how many there are.
        outside_sessions: tasks, other than those that send, in a run before which the mailbox had no session.
        placed_minutes: from sending a first mail until its placement is known.
        reply_minutes: from opening a first mail to the reply.
    """

    tasks: Sequence[TaskRun]
    warmup: int
    pool: int
    days: int
    outside_sessions: int
    placed_minutes: Sequence[float]
    reply_minutes: Sequence[float]

    @property
    def tasks_a_day(self) -> float:
        """Return the tasks of a warmup mailbox and its share of the pool."""
        return len(self.tasks) / self.warmup / self.days

    @property
    def sessions_a_day(self) -> float:
        """Return the sessions in which something was done in a pool mailbox."""
        visits = {(task.at, task.address) for task in self.tasks if task.address.startswith("p")}
        return len(visits) / self.pool / self.days

    def count_by_action(self) -> Counter[str]:
        """Return the number of tasks by kind of mailbox and action."""
        return Counter(f"{_KINDS[task.address[0]]} {task.action}" for task in self.tasks)

    def as_json(self) -> str:
        """Return the last day of the busiest pool mailbox, from which the picture is drawn."""
        last = max(task.at.date() for task in self.tasks)
        of_pool = [task for task in self.tasks if task.address.startswith("p") and task.at.date() == last]
        (address, _), *_ = Counter(task.address for task in of_pool).most_common()
        tasks = [[task.at.isoformat(), task.action] for task in of_pool if task.address == address]
        return json.dumps({"zone": ZONE, "tasks": tasks}, indent=1)


_KINDS = {"w": "warmup", "p": "pool"}


def write_script(*, warmup: int = WARMUP, days: int = DAYS) -> Script:
    """Return the script of mailboxes in one zone that all send 40 mails a day, with a pool that is just large enough.

    A pair writes to each other often, so that few mailboxes are enough; without room in the caps, which count 24 hours,
    a mail would wait now and then.
    """
    pool = warmup * MAILS // POOL_MAILS
    players = [_player(f"w{number:03}@w.example", "warmup", MAILS) for number in range(warmup)]
    players += [_player(f"p{number:03}@p.example", "pool", SICK) for number in range(pool)]
    options = {"ramp_start": MAILS, "ramp_cap": MAILS, "pool_daily_cap": 2 * POOL_MAILS, "partner_daily_cap": MAILS}
    return Script(
        players=players,
        days=days,
        start=MONDAY,
        spam_chance=0.02,
        sick_domain="",
        sick_chance=0.0,
        sick_from=days,
        seed=20_270_215,
        options=options,
    )


def _player(address: str, kind: str, daily_target: int) -> Player:
    return Player(
        address=address,
        kind=kind,
        zone=ZONE,
        daily_target=daily_target,
        open_rate=round(100 * OPENED),
        reply_rate=round(100 * ANSWERED),
    )


def simulate_visits(ground: Ground, script: Script, *, database: str = "visits") -> Visits:
    """Play a script in a worker process."""
    ground.make_simulated(database)
    with one_worker(ground) as worker:
        visits: Visits = worker.do(play_visits, timeout=3600, database=database, script=script)
    return visits


def play_visits(world: World, *, database: str, script: Script) -> Visits:
    """Play a script in a database of its own, and count what was done after the first day; a job for a worker."""
    stage = Stage(world.store.engine.url.set(database=database), script)
    for _ in run_days(stage):
        pass
    begin, end = script.start + timedelta(days=1), script.end
    kinds = Counter(player.kind for player in script.players)
    tasks = [task for task in stage.tasks if begin <= task.at < end]
    visits = Visits(
        tasks=tasks,
        outside_sessions=sum(not _is_in_session(stage, task) for task in tasks if task.action is not Action.SEND),
        warmup=kinds["warmup"],
        pool=kinds["pool"],
        days=script.days - 1,
        placed_minutes=_measure_minutes(stage, L.sent_at, L.placed_at, begin, end),
        reply_minutes=_measure_minutes(stage, L.read_at, L.replied_at, begin, end),
    )
    stage.engine.dispose()
    return visits


def _is_in_session(stage: Stage, task: TaskRun) -> bool:
    last_run = task.at - timedelta(seconds=stage.settings.run_interval)
    return last_run < find_next_session(stage.mailbox(task.address), last_run + MICROSECOND, stage.settings) <= task.at


def _measure_minutes(
    stage: Stage,
    earlier: sa.orm.InstrumentedAttribute[datetime | None],
    later: sa.orm.InstrumentedAttribute[datetime | None],
    begin: datetime,
    end: datetime,
) -> list[float]:
    query = sa.select(earlier, later).where(
        L.parent_id.is_(None), L.sent_at >= begin, L.sent_at < end, earlier.is_not(None), later.is_not(None)
    )
    with stage.engine.begin() as connection:
        return [(second - first) / MINUTE for first, second in connection.execute(query)]


def find_p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]

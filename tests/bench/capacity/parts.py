"""The capacity bench: measure the cost of a task and a mail on a real Airflow, and derive that of many mailboxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import sqlalchemy as sa

from bench.capacity.reckoning import MAILS, Measured, Need, estimate_tasks_a_day, mailboxes_per_core, need
from bench.floor.cpu import PARTS
from bench.floor.stage import FLOOR, REAL, Run, Stage, stage
from bench.ground import Ground
from bench.growth.past import LEDGER_DAYS, begin, grow
from bench.report import Bench, Figure, Part, Say, at_most

RUNS, SETTLING = 3, 3
"""Runs that are measured, and runs before them, until every action has something due in each run."""
SIZES = (10_000, 100_000)
STAND_IN = "stand-in for Google"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The sum of some runs of one DAG."""

    tasks: int
    cpu: Counter[str]

    @property
    def seconds(self) -> float:
        """Return the processor time per task in seconds, without the stand-in for Google."""
        return sum(spent for part, spent in self.cpu.items() if part != STAND_IN) / self.tasks


def _capacity(ground: Ground, say: Say) -> list[Figure]:
    ledger_bytes, history_bytes = _mail_bytes(ground)
    with stage(ground.folder.root / "capacity") as site:
        site.stack.api.http.timeout = httpx.Timeout(120)  # processor time is measured, so a slow machine may be slow
        site.run(REAL)  # plans the day
        for _ in range(SETTLING):
            site.run_with_work()
        before, rows, size = _google(site), *_airflow(site)
        runs = [site.run_with_work() for _ in range(RUNS)]
        after, more_rows, more_size = _google(site), *_airflow(site)
        floor = _seen([site.run(FLOOR, run.tasks) for run in runs])
    real = _seen(runs)
    say(f"mapped tasks: {dict(sum((run.tasks for run in runs), Counter()))}; Google's side: {after - before}")
    first_mails = sum(run.tasks["send"] for run in runs)
    measured = Measured(
        cpu_per_task=real.seconds,
        scheduler_per_task=real.cpu["scheduler"] / real.tasks,
        units_per_mail=(after - before)["units"] / first_mails,
        airflow_rows_per_task=(more_rows - rows) / real.tasks,
        airflow_bytes_per_task=(more_size - size) / real.tasks,
        ledger_bytes=ledger_bytes,
        history_bytes=history_bytes,
    )
    return [*_measured(measured, floor, real), *(figure for size in SIZES for figure in _needed(need(size, measured)))]


def _seen(runs: list[Run]) -> Seen:
    return Seen(tasks=sum(run.tasks.total() for run in runs), cpu=sum((run.cpu for run in runs), Counter()))


def _google(site: Stage) -> Counter[str]:
    totals = site.sandbox.stats().totals
    return Counter(units=totals.units, mails=totals.sent)


def _airflow(site: Stage) -> tuple[int, int]:
    """Return how many rows Airflow's own tables have, and how large they are with their indexes."""
    engine = sa.create_engine(site.stack.database_url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        tables = connection.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        rows = sum(connection.scalar(sa.text(f'SELECT count(*) FROM public."{name}"')) for name in tables)
        size = connection.scalar(
            sa.text(
                "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE nspname = 'public' AND relkind = 'r'"
            )
        )
    return rows, int(size)


def _mail_bytes(ground: Ground) -> tuple[float, float]:
    """Return what a mail takes in the ledger and in its history, indexes included."""
    ground.fresh()
    engine = sa.create_engine(ground.place().database_url, poolclass=sa.pool.NullPool, hide_parameters=True)
    with engine.begin() as connection:
        begin(connection)
    grow(engine, known=LEDGER_DAYS - 2, days=LEDGER_DAYS + 2)
    found = []
    with engine.begin() as connection:
        for table in ("ledger", "ledger_history"):
            rows = connection.scalar(sa.text(f"SELECT count(*) FROM gmail_warmup.{table}"))
            size = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('gmail_warmup.{}')"
            whole = size if table == "ledger_history" else "SELECT pg_total_relation_size('gmail_warmup.{}')"
            found.append(int(connection.scalar(sa.text(whole.format(table)))) / rows)
    ground.fresh()
    return found[0], found[1]


def _measured(measured: Measured, floor: Seen, real: Seen) -> Iterator[Figure]:
    yield Figure(label="a task of gmail_warmup", value=1000 * real.seconds, unit="ms of a core", key="task_ms")
    yield Figure(label="a task that does nothing", value=1000 * floor.seconds, unit="ms of a core", key="nothing_ms")
    ratio = real.seconds / floor.seconds
    yield Figure(label="  a task relative to one that does nothing", value=ratio, target=at_most(1.5),
                 key="task_over_nothing")  # fmt: skip
    for part in PARTS:
        if part != STAND_IN:
            yield Figure(label=f"  gmail_warmup, {part}", value=1000 * real.cpu[part] / real.tasks, unit="ms")
    yield Figure(label=f"tasks of a mailbox at {MAILS} mails a day", value=estimate_tasks_a_day(), unit="a day",
                 target=at_most(90), key="tasks_a_day")  # fmt: skip
    per_core = mailboxes_per_core(measured)
    yield Figure(label="warmup mailboxes per core", value=per_core, key="mailboxes_per_core")
    yield Figure(label="tasks that one scheduler starts at most", value=1 / measured.scheduler_per_task, unit="a s",
                 key="scheduler_tasks_a_second")  # fmt: skip
    yield Figure(label="units of a mail and what follows", value=measured.units_per_mail, target=at_most(260),
                 key="units_per_mail")  # fmt: skip
    yield Figure(label="a mail in the ledger", value=measured.ledger_bytes, unit="bytes", key="ledger_bytes")
    yield Figure(label="a mail in the history", value=measured.history_bytes, unit="bytes", key="history_bytes")
    yield Figure(label="rows of a task in Airflow's tables", value=measured.airflow_rows_per_task, key="airflow_rows")
    yield Figure(label="  bytes", value=measured.airflow_bytes_per_task, unit="bytes", key="airflow_bytes")


def _needed(wanted: Need) -> Iterator[Figure]:
    yield Figure(label=f"{wanted.mailboxes:,} warmup mailboxes: cores", value=wanted.cores)
    yield Figure(label="  tasks a day", value=wanted.tasks_a_day)
    yield Figure(label="  tasks in the busiest hour", value=wanted.tasks_a_second, unit="a s")
    yield Figure(label="  tasks of one action in one run", value=wanted.tasks_per_action_and_run)
    yield Figure(label="  rows of ours a day", value=wanted.rows_a_day)
    yield Figure(label="  in the history", value=wanted.bytes_a_day / 1e6, unit="MB a day")
    yield Figure(label="  rows of Airflow's a day", value=wanted.airflow_rows_a_day)
    yield Figure(label="  in Airflow's tables", value=wanted.airflow_bytes_a_day / 1e6, unit="MB a day")
    yield Figure(label="  units of Google's quota", value=wanted.units_a_day / 1e6, unit="million a day")
    yield Figure(label="  in the busiest hour", value=wanted.units_a_minute / 1e6, unit="million a min")
    yield Figure(label="  token requests", value=wanted.token_requests_a_day, unit="a day")


CAPACITY = Bench(
    title="Capacity",
    parts=[Part(name="capacity", title="what a task and a mail cost on a real Airflow", run=_capacity)],
    keys=[
        "mailboxes_per_core", "task_ms", "nothing_ms", "task_over_nothing", "tasks_a_day",
        "scheduler_tasks_a_second", "units_per_mail",
        "ledger_bytes", "history_bytes", "airflow_rows", "airflow_bytes",
    ],
)  # fmt: skip

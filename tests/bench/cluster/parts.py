"""The bench of the cluster: two Celery workers over one, and a worker that is killed while it works."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.floor.stage import SETTINGS, populate
from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, exactly
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.cluster import Cluster, ClusterOptions
from gmail_sandbox.client import SandboxClient
from support.cluster_kit import FAST, SLOW, SOONER, SOONER_SETTINGS, Books, busy, read_books

WARMUP_DAG = "gmail_warmup"
PAIRS, SETTLING = 3, 3
"""Pairs of runs that are measured, and runs before them, until every action has something due in each run."""
PATIENCE = 900


class RunFailedError(Exception):
    """A run did not go well; a time measured with it would say nothing."""


@dataclass
class Site:
    """A cluster whose mailboxes always have something to do.

    Attributes:
        failed_runs: of all runs so far.
    """

    cluster: Cluster
    sandbox: SandboxClient
    failed_runs: int = 0

    def run(self) -> tuple[int, float]:
        """Run the DAG to its end; return how many mapped tasks it had and in how many seconds."""
        started = self.cluster.api.trigger(WARMUP_DAG)
        done = self.cluster.api.wait(WARMUP_DAG, started.run_id, timeout=PATIENCE, interval=1)
        return self._weighed(done)

    def run_and_kill(self) -> tuple[int, int]:
        """Run the DAG, kill a worker while it sends, add one; return how many tasks it was doing, and all tasks."""
        victim, killed = self.cluster.workers[0], 0
        self.sandbox.set(latency_ms=SLOW)

        def look(_: DagRun, tasks: list[TaskInstance]) -> None:
            nonlocal killed
            if not killed and (doing := busy(tasks, victim)):
                self.cluster.kill_worker(victim)
                killed = len(doing)
                self.sandbox.set(latency_ms=FAST)
                self.cluster.add_worker()

        started = self.cluster.api.trigger(WARMUP_DAG)
        done = self.cluster.api.wait(WARMUP_DAG, started.run_id, timeout=PATIENCE, interval=1, progress=look)
        return killed, self._weighed(done)[0]

    def _weighed(self, run: DagRun) -> tuple[int, float]:
        instances = self.cluster.api.task_instances(WARMUP_DAG, run.run_id)
        self.failed_runs += run.state != "success" or any(task.state == "failed" for task in instances)
        if not run.start_date or not run.end_date:
            raise RunFailedError(f"{run.run_id} is {run.state}")
        mapped = sum(task.map_index >= 0 for task in instances)
        return mapped, (run.end_date - run.start_date).total_seconds()


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    """Start a cluster of one worker in a folder, which is emptied, and add the mailboxes."""
    shutil.rmtree(folder, ignore_errors=True)
    options = ClusterOptions(
        workers=1,
        sandbox=True,
        settings=SETTINGS | SOONER_SETTINGS,
        # One worker lets tasks wait longer than the tests do; to queue them again would be measured too.
        overrides=SOONER | {"AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "300"},
        cores=sorted(os.sched_getaffinity(0)),
    )
    with Cluster(folder, options) as cluster:
        cluster.start()
        sandbox = SandboxClient(cluster.sandbox_url, timeout=120)
        try:
            cluster.api.wait_for_dags((WARMUP_DAG,), timeout=120)
            populate(cluster, sandbox)
            yield Site(cluster, sandbox)
        finally:
            sandbox.close()


def _workers(ground: Ground, say: Say) -> list[Figure]:
    with _site(ground.folder.root / "cluster") as site:
        for _ in range(SETTLING):
            site.run()
        pairs = [_pair(site, say) for _ in range(PAIRS)]
        site.cluster.add_worker()
        killed, tasks = site.run_and_kill()
        say(f"a worker was killed in the middle of {killed} tasks")
        last, _ = site.run()
        books = read_books(site.cluster, site.sandbox)
    ratio = statistics.median(two / one for (_, one), (_, two) in pairs)
    every = sum(count for pair in pairs for count, _ in pair) + tasks + last
    return [*_speed(pairs, ratio, every), *_safety(killed, books, site.failed_runs)]


def _pair(site: Site, say: Say) -> tuple[tuple[int, float], tuple[int, float]]:
    """Run with one worker, add another one on the next core, run again; return tasks and tasks a second of both."""
    (tasks_of_one, seconds_of_one) = site.run()
    added = site.cluster.add_worker()
    (tasks_of_two, seconds_of_two) = site.run()
    site.cluster.stop_worker(added)
    one, two = tasks_of_one / seconds_of_one, tasks_of_two / seconds_of_two
    say(f"one worker {tasks_of_one} tasks, {one:.2f} a second; two {tasks_of_two} tasks, {two:.2f} a second")
    return (tasks_of_one, one), (tasks_of_two, two)


def _speed(pairs: list[tuple[tuple[int, float], tuple[int, float]]], ratio: float, tasks: int) -> list[Figure]:
    cores = len(os.sched_getaffinity(0))
    one, two = (statistics.median(pair[which][1] for pair in pairs) for which in (0, 1))
    shared = "two workers over one" + (" (these cores serve all other parts too)" if cores <= 2 else "")
    return [
        Figure(label="cores of this machine, a worker bound to each in turn", value=cores),
        Figure(label="workers", value=2, key="workers"),
        Figure(label="mapped tasks of all runs", value=tasks, key="tasks"),
        Figure(label="  with one worker, median", value=one, unit="tasks/s"),
        Figure(label="  with two workers, median", value=two, unit="tasks/s"),
        Figure(label=shared, value=ratio, unit="times", key="two_over_one"),
    ]


def _safety(killed: int, books: Books, failed_runs: int) -> list[Figure]:
    return [
        Figure(label="tasks in whose middle a worker was killed", value=killed, key="killed"),
        Figure(label="  mails that Google has", value=books.at_google),
        Figure(label="  mails twice", value=books.duplicates, target=exactly(0), key="duplicates"),
        Figure(label="  mails lost", value=books.lost, target=exactly(0), key="lost"),
        Figure(label="  runs with a failed task", value=failed_runs, target=exactly(0), key="failed_runs"),
    ]


CLUSTER = Bench(
    title="The services of docker-compose.yaml",
    parts=(Part(name="workers", title="one Celery worker, two, and one that is killed", run=_workers),),
    keys=("workers", "tasks", "killed", "duplicates", "lost", "failed_runs", "two_over_one"),
)

"""The demo's story on the services of docker-compose.yaml, with a worker that is killed in the middle of its tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_embedded import demo
from gmail_embedded import demo_scene as scene
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.cluster import Cluster, ClusterOptions
from gmail_embedded.processes import alive
from gmail_embedded.steps import Steps

pytestmark = pytest.mark.e2e

VICTIM = "worker-1"
SOONER = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}
"""What takes five minutes in docker-compose.yaml takes half of one here."""
SETTINGS = scene.SETTINGS | {"mailbox_lease": "30"}
SLOW = {"gmail": 400}
"""Milliseconds of each answer, so that tasks last long enough to be met in their middle."""


@dataclass
class Killing:
    """Kills a worker once, while it does tasks of the last part of the story, and adds another one."""

    cluster: Cluster
    stopped: list[TaskInstance] = field(default_factory=list)
    """What the worker was doing when it was killed."""
    done: list[TaskInstance] = field(default_factory=list)
    """The mapped tasks of that run, as they ended."""
    added: str = ""
    shares: Counter[str] = field(default_factory=Counter)
    """Mapped tasks by the host name that did them, after the kill."""


class Story(demo.Demo):
    """The demo's story with a kill in it."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, Steps(), patience=400)
        self.cluster, self.kill = cluster, Killing(cluster)
        self.run_of_kill = ""

    def look(self, run: DagRun, tasks: list[TaskInstance]) -> None:
        """Kill when the worker is in the middle of several tasks, one of which has sent something."""
        if not self.story.second_audit:
            return
        mapped = [task for task in tasks if task.map_index >= 0]
        if not self.kill.stopped:
            self.sandbox.set(latency_ms=SLOW)
            doing = [task for task in mapped if task.state == "running" and task.hostname == VICTIM]
            if len(doing) >= 2 and any(task.task_id == "send" for task in doing):
                self.cluster.kill_worker(VICTIM)
                self.kill.stopped, self.run_of_kill = doing, run.run_id
                self.sandbox.set(latency_ms={"gmail": 0})
                self.kill.added = self.cluster.add_worker()
        elif run.finished:
            if run.run_id == self.run_of_kill:
                self.kill.done = mapped
            self.kill.shares.update(str(task.hostname) for task in mapped)


@dataclass(frozen=True)
class Told:
    """What happened."""

    result: dict[str, Any]
    kill: Killing
    rows: list[tuple[Any, ...]]
    """Of the ledger and the days, at the end: what was planned, what the ledger says, what is unfinished."""
    at_google: int
    folder: Path


COUNTS = """
SELECT (SELECT sum(planned) FROM gmail_warmup.mailbox_day),
       (SELECT count(*) FROM gmail_warmup.ledger WHERE status = 'sent' AND parent_id IS NULL),
       (SELECT count(*) FROM gmail_warmup.ledger WHERE status IN ('claimed', 'drafted'))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("cluster")
    options = ClusterOptions(sandbox=True, settings=SETTINGS, overrides=SOONER)
    with Cluster(folder, options) as cluster:
        story = Story(cluster)
        result = demo.result_of(story.run(), 0)
        engine = sa.create_engine(cluster.database_url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            rows = [tuple(row) for row in connection.execute(sa.text(COUNTS))]
        return Told(result, story.kill, rows, scene.seen_by_google(story.sandbox).sent, folder)


def test_the_story_keeps_its_promises(told: Told) -> None:
    assert demo.broken_promises(told.result) == []


def test_what_a_killed_worker_was_doing_is_taken_up_by_others(told: Told) -> None:
    assert len(told.kill.stopped) >= 2
    ended = {(task.task_id, task.map_index): task for task in told.kill.done}
    for task in told.kill.stopped:
        again = ended[task.task_id, task.map_index]
        assert (again.state, again.hostname != VICTIM, again.try_number > task.try_number) == ("success", True, True)


def test_a_killed_worker_loses_and_doubles_nothing(told: Told) -> None:
    ((planned, sent, unfinished),) = told.rows
    assert (sent, unfinished) == (planned, 0)
    assert told.at_google == sent
    assert told.result["duplicates"] == 0


def test_a_worker_that_is_added_takes_its_share(told: Told) -> None:
    assert told.kill.added == "worker-3"
    assert told.kill.shares["worker-3"] >= 0.2 * told.kill.shares.total(), told.kill.shares


def test_nothing_of_it_is_left(told: Told) -> None:
    assert alive(told.folder, told.folder / "postgres") == []

"""The demo's story on the services of docker-compose.yaml, with a worker that is killed in the middle of its tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gmail_embedded import demo, readonly_fs, supervisor
from gmail_embedded import demo_scene as scene
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.cluster import Cluster, ClusterOptions
from gmail_embedded.processes import find_processes
from gmail_embedded.progress import Progress
from support.cluster_kit import FAST, SLOW, SOONER, SOONER_SETTINGS, Books, busy, read_books

pytestmark = pytest.mark.e2e

VICTIM = "worker-1"


@dataclass
class Kill:
    """What was seen of it."""

    run_id: str = ""
    stopped: list[TaskInstance] = field(default_factory=list)
    """What the worker was doing when it was killed."""
    ended: list[TaskInstance] = field(default_factory=list)
    """The mapped tasks of that run in the end."""
    added: str = ""
    """The worker that came afterwards."""
    shares: Counter[str] = field(default_factory=Counter)
    """Mapped tasks from that run on, by the host name that did them."""


class Story(demo.Demo):
    """The demo's story; in its last part a worker is killed while it sends, and another one is added."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, Progress(), patience=600)
        self.cluster, self.kill = cluster, Kill()

    def on_progress(self, run: DagRun, tasks: list[TaskInstance]) -> None:
        if not self.record.second_audit:
            return
        if self.kill.stopped:
            self.note(run, tasks)
        else:
            self.sandbox.set(latency_ms=SLOW)
            if doing := busy(tasks, VICTIM):
                self.cluster.kill_worker(VICTIM)
                self.sandbox.set(latency_ms=FAST)
                self.kill = Kill(run_id=run.run_id, stopped=doing, added=self.cluster.add_worker())

    def note(self, run: DagRun, tasks: list[TaskInstance]) -> None:
        if run.finished:
            mapped = [task for task in tasks if task.map_index >= 0]
            self.kill.shares.update(str(task.hostname) for task in mapped)
            if run.run_id == self.kill.run_id:
                self.kill.ended = mapped


@dataclass(frozen=True)
class Told:
    """The story, when everything has ended."""

    result: dict[str, Any]
    kill: Kill
    books: Books
    folder: Path
    read_only_obstacle: str
    writable: dict[str, set[str]]
    """Where each service can write, but for devices and what the kernel shows."""
    pooler: str
    """The log of the connection pooler before the end, at which it notices that the server goes."""


def writable_mounts(folder: Path) -> dict[str, set[str]]:
    """Return where the processes of each service can write."""
    found: dict[str, set[str]] = {}
    for pid in find_processes(folder):
        process = Path("/proc") / str(pid)
        try:
            variables = dict(entry.partition("=")[::2] for entry in (process / "environ").read_text().split("\0"))
            if "AIRFLOW_HOME" not in variables or supervisor.__file__ in (process / "cmdline").read_text():
                continue
            mounts = [line.split(" - ")[0].split() for line in (process / "mountinfo").read_text().splitlines()]
        except OSError:  # it has ended meanwhile
            continue
        free = {fields[4] for fields in mounts if "rw" in fields[5].split(",")}
        kernel = ("/dev", "/proc", "/sys")
        found.setdefault(variables["HOSTNAME"], set()).update(path for path in free if not path.startswith(kernel))
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("cluster")
    settings = scene.SETTINGS | SOONER_SETTINGS
    options = ClusterOptions(sandbox=True, settings=settings, overrides=SOONER, pooler=True)
    with Cluster(folder, options) as cluster:
        story = Story(cluster)
        result = demo.build_result(story.run(), 0)
        writable, pooler = writable_mounts(folder), (folder / "logs" / "pgbouncer.log").read_text()
        return Told(
            result, story.kill, read_books(cluster, story.sandbox), folder, cluster.read_only_obstacle, writable, pooler
        )


def test_the_story_keeps_its_promises(told: Told) -> None:
    assert demo.find_failed_checks(told.result) == []


def test_what_a_killed_worker_was_doing_is_taken_up_by_others(told: Told) -> None:
    assert told.kill.stopped, "the worker was never met in the middle of several tasks"
    ended = {(task.task_id, task.map_index): task for task in told.kill.ended}
    for task in told.kill.stopped:
        again = ended[task.task_id, task.map_index]
        assert (again.state, again.hostname != VICTIM, again.try_number > task.try_number) == ("success", True, True)


def test_a_killed_worker_loses_and_doubles_nothing(told: Told) -> None:
    assert told.books.recorded == told.books.at_google > demo.MIN_SENT
    assert (told.books.unfinished, told.books.duplicates, told.books.lost) == (0, 0, 0)


def test_a_worker_that_is_added_takes_its_share(told: Told) -> None:
    assert told.kill.added == "worker-3"
    assert told.kill.shares[told.kill.added], told.kill.shares  # how much it takes depends on how fast it starts


def test_tasks_and_page_came_through_the_connection_pooler(told: Told) -> None:
    assert told.pooler.count("login attempt: db=airflow user=gmail_warmup") > len(told.kill.ended)
    assert "WARNING" not in told.pooler


def test_services_write_their_logs_and_nothing_else(told: Told) -> None:
    assert told.writable.keys() >= {"api-server", "scheduler", "dag-processor", "triggerer", "worker-2", "worker-3"}
    if told.read_only_obstacle:
        assert told.read_only_obstacle == readonly_fs.find_obstacle(), "the reason is reported"
        return
    logs = str(told.folder / "airflow" / "logs")
    assert {name: where for name, where in told.writable.items() if where != {"/tmp", logs}} == {}


def test_nothing_of_it_is_left(told: Told) -> None:
    assert find_processes(told.folder, told.folder / "postgres") == []

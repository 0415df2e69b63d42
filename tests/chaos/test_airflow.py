"""Airflow's own processes struck in the middle of a run: killed, doubled, without database, disk, or their old key."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.faults import Fault, NewFault
from chaos.installation import FORMER, NEW, PATIENCE, Installation, installation
from chaos.kills import until
from chaos.runs import names
from gmail_embedded.supervisor import find_descendants

pytestmark = pytest.mark.chaos
SENDERS = 4


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("airflow")) as made:
        yield made


def kill_tasks(airflow: Installation, fault: Fault) -> None:
    for _ in range(3):
        until(lambda: bool(airflow.tasks()), "no task runs", seconds=PATIENCE)
        for pid in airflow.tasks()[:1]:
            os.kill(pid, signal.SIGKILL)
            fault.struck()


def kill(name: str) -> Callable[[Installation, Fault], None]:
    def strike(airflow: Installation, fault: Fault) -> None:
        airflow.kill(name)
        fault.struck()

    return strike


def stop_database(airflow: Installation, fault: Fault) -> None:
    family = airflow.stack.family
    family.stop(server := family.get_child("postgres"))
    fault.struck()
    family.start(server.command)


def start_another_scheduler(airflow: Installation, fault: Fault) -> None:
    scheduler = airflow.stack.family.get_child("scheduler").command
    second = airflow.stack.family.start(dataclasses.replace(scheduler, name="another scheduler"))
    fault.struck()
    airflow.afterwards.append(lambda: airflow.stack.family.stop(second))


def fill_the_disk(airflow: Installation, fault: Fault) -> None:
    """Let no process that runs tasks, or will, write another byte into a file; PostgreSQL has a disk of its own."""
    supervisor = airflow.stack.family.get_child("scheduler").supervisor.pid
    for pid in find_descendants(supervisor):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        fault.struck()
    airflow.afterwards.append(lambda: make_room(supervisor))


def make_room(supervisor: int) -> None:
    for pid in find_descendants(supervisor):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def rotate_the_key(airflow: Installation, fault: Fault) -> None:
    """Re-encrypt what both Airflow and the product store, while tasks that have both keys write under the former."""
    keys = {"AIRFLOW__CORE__FERNET_KEY": f"{NEW},{FORMER}"}
    for words in (("airflow", "rotate-fernet-key"), ("gmail-warmup", "grants", "rotate")):
        program = Path(sys.prefix) / "bin" / words[0]
        done = subprocess.run(
            [program, *words[1:]], env=airflow.stack.environment | keys, capture_output=True, text=True, check=False
        )
        fault.check(done.returncode == 0, f"{' '.join(words)} failed: {done.stderr[-300:]}")
        fault.struck()


STRIKES: dict[str, Callable[[Installation, Fault], None]] = {
    "Airflow: tasks killed": kill_tasks,
    "Airflow: api-server killed and restarted": kill("api-server"),
    "Airflow: scheduler killed and restarted": kill("scheduler"),
    "Airflow: PostgreSQL stopped and started": stop_database,
    "Airflow: two schedulers": start_another_scheduler,
    "Airflow: no room for logs": fill_the_disk,
    "Airflow: Fernet key rotated": rotate_the_key,
}


@pytest.mark.parametrize("name", STRIKES)
def test_struck_in_the_middle_of_a_run(airflow: Installation, fault: NewFault, name: str):
    account = fault(name)
    number = list(STRIKES).index(name)
    invariants, struck = airflow.begin(account, names(f"struck-{number}-", SENDERS))
    STRIKES[name](airflow, account)
    try:
        airflow.recover(invariants, struck)
    finally:
        airflow.undo()
    account.hold()

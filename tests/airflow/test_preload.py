"""The preload imports and compiles what a task needs before its process is forked, unless it is switched off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.mail_kit import ADA, POOL, get_noon_zone
from support.workers import connections
from support.world import FERNET_KEY, World

# What the command line of Airflow does to begin each of its jobs.
_STARTED = """
import importlib, sys
from airflow.jobs.job import Job
module, runner = sys.argv[1].rsplit(".", 1)
getattr(importlib.import_module(module), runner)(job=Job())
print("gmail_warmup.airflow.tasks.warmup" in sys.modules)
"""
_SCHEDULER = "airflow.jobs.scheduler_job_runner.SchedulerJobRunner"


@pytest.mark.parametrize(
    ("runner", "executor", "loads"),
    [
        (_SCHEDULER, "LocalExecutor", True),
        (_SCHEDULER, "CeleryExecutor,LocalExecutor", True),
        (_SCHEDULER, "CeleryExecutor", False),
        ("airflow.jobs.triggerer_job_runner.TriggererJobRunner", "LocalExecutor", False),
    ],
)
def test_it_is_loaded_where_tasks_are_forked_and_nowhere_else(tmp_path: Path, runner: str, executor: str, loads: bool):
    said = run(tmp_path, _STARTED, runner, AIRFLOW__CORE__EXECUTOR=executor)
    assert said == str(loads)


def test_an_option_switches_it_off(tmp_path: Path):
    off = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__GMAIL_WARMUP__PRELOAD": "False"}
    assert run(tmp_path, _STARTED, _SCHEDULER, **off) == "False"


def run(home: Path, program: str, *arguments: str, **environment: str) -> str:
    """Run a program in a fresh interpreter on an Airflow with the plugin; return its last line."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=given | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


_FORKED = """
import json, os, socket, sys, threading
before = len(os.listdir("/proc/self/fd"))
import gmail_warmup.preload
print(json.dumps({
    "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
    "open": len(os.listdir("/proc/self/fd")) - before,
}))
"""


def test_it_leaves_nothing_behind_that_does_not_survive_a_fork(tmp_path: Path):
    assert json.loads(run(tmp_path, _FORKED)) == {"threads": [], "open": 0}


_TASK = """
import json, sys
from types import SimpleNamespace
import airflow.sdk.execution_time.task_runner  # every task's process has it
import gmail_warmup.preload
loaded = set(sys.modules)
import sqlalchemy as sa
from gmail_warmup.airflow.tasks import execution, warmup
compiled = []
@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def note(_, __, statement, ___, context, ____):
    if context.cache_hit.name != "CACHE_HIT":
        compiled.append(statement)
execution.get_current_context = lambda: {"dag_run": SimpleNamespace(dag_id="gmail_warmup", run_id="r"), "params": {}}
done = warmup.run_mailbox_action(*sys.argv[1:])
loaded = sorted(set(sys.modules) - loaded)
print(json.dumps({"done": done, "loaded": loaded, "all": sorted(sys.modules), "compiled": compiled}))
"""


@pytest.fixture
def task(world: World, tmp_path: Path) -> Any:
    """Return what does the work of a task in a process of its own, with Connections as Airflow has them."""
    environment = connections(world) | {
        "AIRFLOW__GMAIL_WARMUP__SENDING_WINDOW": "00:00-24:00",
        "AIRFLOW__GMAIL_WARMUP__SENDING_DAYS": "mon,tue,wed,thu,fri,sat,sun",
        # A task sends one mail, and the next one is due at once.
        "AIRFLOW__GMAIL_WARMUP__MIN_GAP": "240",
        "AIRFLOW__GMAIL_WARMUP__DELAY_SCALE": "0.000001",
        "AIRFLOW__GMAIL_WARMUP__RAMP_START": "20",
    }
    return lambda action, address, **more: json.loads(run(tmp_path, _TASK, action, address, **(environment | more)))


_LIFE_OF_A_MAIL = (
    ("send", ADA, "sent"),
    ("send", ADA, "sent"),  # to somebody it wrote to before
    ("send", ADA, "without_partner"),
    ("rescue", POOL[0], "read"),  # finds, opens and marks it
    ("reply", POOL[0], "replied"),
    ("collect", ADA, "collected"),
)


_MAX_COMPILED = 4
"""Statements that a task may compile: no other code adapts its statements or parameters to the cache."""


def test_a_task_loads_nothing_more_compiles_little_and_needs_nothing_of_the_google_provider(world: World, task: Any):
    # Its access token has expired.
    world.add(
        ADA, kind="warmup", open_rate=100, reply_rate=100, timezone=get_noon_zone()
    )  # its access token has expired
    world.add(POOL[0], kind="pool")
    for action, address, done in _LIFE_OF_A_MAIL:
        came = task(action, address)
        assert came["done"].get(done, 0) > 0, (action, came["done"])
        assert [name for name in came["loaded"] if not name.startswith("airflow.")] == []
        assert [name for name in came["all"] if name.startswith("airflow.providers.google.common")] == []
        assert "aiohttp" not in came["all"]
        # SQLAlchemy keeps no compiled form of a savepoint.
        compiled = {statement for statement in came["compiled"] if "SAVEPOINT" not in statement}
        assert len(compiled) <= _MAX_COMPILED, compiled


def test_a_task_does_the_same_without_the_preload(world: World, task: Any):
    world.add(ADA, kind="warmup", timezone=get_noon_zone())
    world.add(POOL[0], kind="pool")
    assert task("send", ADA, AIRFLOW__GMAIL_WARMUP__PRELOAD="False")["done"] == {"sent": 1}

"""The DAG files: they parse, import nothing heavy, and have the tasks that operators see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager

from gmail_warmup.audit.pipeline import OUTAGE_WAIT_SECONDS
from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "include" / "gmail_warmup" / "airflow" / "dags"

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
heavy = (
    "googleapiclient", "gmail_warmup.airflow.tasks.execution", "gmail_warmup.db.models", "airflow.providers.google",
    "aiohttp",
)
before = set(sys.modules)
bag = DagBag(dag_folder=sys.argv[1])
dags = {
    dag_id: {
        "tasks": {
            task.task_id: {
                "mapped": task.is_mapped,
                "pool": getattr(task, "pool", None),
                "seconds": task.execution_timeout and task.execution_timeout.total_seconds(),
            }
            for task in dag.tasks
        },
        "starts_paused": dag.is_paused_upon_creation,
        "max_active_runs": dag.max_active_runs,
        "max_active_tasks": dag.max_active_tasks,
        "params": sorted(dag.params),
    }
    for dag_id, dag in bag.dags.items()
}
loaded = [name for name in heavy if name in set(sys.modules) - before]
print(json.dumps({"errors": bag.import_errors, "dags": dags, "heavy": loaded}))
"""


@pytest.fixture(scope="module", params=[ROOT / "dags", BUNDLE], ids=["folder of DAGs", "DAG bundle"])
def parsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Parse the DAG files in a new process, as the DAG processor does."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__GMAIL_WARMUP__MAX_ACTIVE_TASKS": "7",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(request.param)], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_no_import_errors(parsed: dict):
    assert parsed["errors"] == {}
    assert parsed["dags"].keys() == {"gmail_warmup", "gmail_token_health", "gmail_monitor"}


def test_every_task_has_a_time_limit_beyond_its_longest_work(parsed: dict):
    limits = {
        (dag_id, task_id): task["seconds"]
        for dag_id, dag in parsed["dags"].items()
        for task_id, task in dag["tasks"].items()
    }
    assert all(limits.values()), limits
    slowest_shard = Settings().audit_shard / RateLimiter.MIN_RATE + OUTAGE_WAIT_SECONDS
    assert limits["gmail_token_health", "probe"] > slowest_shard
    assert limits["gmail_token_health", "second_pass"] > slowest_shard


def test_parsing_loads_nothing_that_only_tasks_need(parsed: dict):
    assert parsed["heavy"] == []


def test_one_mapped_task_per_action(parsed: dict):
    tasks = parsed["dags"]["gmail_warmup"]["tasks"]
    actions = set(Action)
    assert tasks.keys() == actions | {f"plan_{action}" for action in actions} | {"alerts"}
    assert all(tasks[action]["mapped"] and tasks[action]["pool"] == "gmail_warmup" for action in actions)
    assert parsed["dags"]["gmail_warmup"]["max_active_runs"] == 1
    assert parsed["dags"]["gmail_warmup"]["max_active_tasks"] == 7
    assert parsed["dags"]["gmail_warmup"]["params"] == ["dry_run", "mailboxes"]


def test_the_monitor_sends_alerts_from_the_beginning(parsed: dict):
    monitor = parsed["dags"]["gmail_monitor"]
    assert (monitor["tasks"].keys(), monitor["starts_paused"]) == ({"alerts", "removals"}, False)


def test_the_audit_names_each_mailbox_that_needs_a_person(parsed: dict):
    tasks = parsed["dags"]["gmail_token_health"]["tasks"]
    assert tasks["needs_person"]["mapped"]
    assert tasks["probe"]["mapped"]
    assert not tasks["sending_domains"]["mapped"]
    assert not tasks["upkeep"]["mapped"]


def test_the_bundle_is_the_folder_of_the_package(monkeypatch: pytest.MonkeyPatch):
    entry = {"name": "gmail-warmup", "classpath": "gmail_warmup.airflow.setup.dag_bundle.GmailWarmupDagBundle"}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([entry | {"kwargs": {}}]))
    assert DagBundlesManager().get_bundle("gmail-warmup").path == BUNDLE

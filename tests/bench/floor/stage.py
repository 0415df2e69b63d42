"""A whole Airflow with both DAGs, and mailboxes that always have something to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bench.floor.cpu import seconds_by_part
from gmail_embedded.airflow_api import TaskInstance
from gmail_embedded.demo_scene import choose_zone, write_accounts
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, Installation
from gmail_embedded.runfolder import CHECKOUT
from gmail_embedded.stack import Options, Stack
from gmail_sandbox.client import SandboxClient

REAL, FLOOR = "gmail_warmup", "floor"
WARMUP, POOL = 40, 10
PARALLELISM = 8 * len(os.sched_getaffinity(0))
"""Tasks at once, as docs/capacity.md ships them. With fewer, tasks mostly wait until Airflow frees a place."""
_PROGRAM = str(Path(sys.prefix) / "bin" / "gmail-warmup")
SETTINGS = {
    "delay_scale": "0.01",
    "dns_check": "false",  # the sandbox's domains are reserved ones, which no name server knows
    "sending_window": "00:00-24:00",
    "sending_days": "mon,tue,wed,thu,fri,sat,sun",
    "run_interval": "0",
    "ramp_start": "40",
    "pool_daily_cap": "1000",
    "partner_daily_cap": "50",
    "warmup_schedule": "none",
    "health_schedule": "none",
    "monitor_schedule": "none",
}
"""A day of fourteen minutes: whenever a run begins each sender has a mail due, and by its gap one task sends one."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that went well.

    Attributes:
        seconds: from its start to its end.
        tasks: mapped tasks by action.
        cpu: seconds of processor time by part of the installation.
    """

    seconds: float
    tasks: Counter[str]
    cpu: Counter[str]


class TaskFailedError(Exception):
    """A task of a run was not done; a time measured with it would say nothing."""


@dataclass(frozen=True)
class Stage:
    """What is measured.

    Attributes:
        stack: Airflow.
        sandbox: the control of Google's stand-in.
    """

    stack: Stack
    sandbox: SandboxClient

    def run_with_work(self) -> Run:
        """Run the product when about as much is due as a run can have; in one of a few tasks most is Airflow's rounds.

        Raises:
            TimeoutError: if it is not within two minutes.
            TaskFailedError: see ``run``.
        """
        self._wait_for_work()
        return self.run(REAL)

    def _wait_for_work(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            done = subprocess.run(
                [_PROGRAM, "backlog", "--json"], env=self.stack.environment, stdout=subprocess.PIPE, check=True
            )
            if sum(action["mailboxes"] for action in json.loads(done.stdout)["actions"]) >= WARMUP:
                return
        raise TimeoutError(f"fewer than {WARMUP} mailboxes are due after two minutes")

    def run(self, dag_id: str, tasks: Mapping[str, int] | None = None) -> Run:
        """Run a DAG to its end.

        Args:
            tasks: how many mapped tasks the floor has, by action.

        Raises:
            TaskFailedError: if a task failed or was skipped.
        """
        before = self._cpu()
        run = self.stack.api.trigger(dag_id, {"tasks": dict(tasks)} if tasks is not None else None)
        # Asking costs the api-server time that the run wants.
        done = self.stack.api.wait(dag_id, run.run_id, timeout=600, interval=1)
        spent = self._cpu() - before
        instances = self.stack.api.task_instances(dag_id, run.run_id)
        mapped = [instance for instance in instances if instance.map_index >= 0]
        if done.state != "success" or any(instance.state != "success" for instance in mapped):
            raise TaskFailedError(f"{dag_id} {run.run_id}: {_not_done(instances)}")
        assert done.start_date
        assert done.end_date
        counts = Counter(instance.task_id for instance in mapped)
        return Run(seconds=(done.end_date - done.start_date).total_seconds(), tasks=counts, cpu=spent)

    def _cpu(self) -> Counter[str]:
        folder = self.stack.folder
        return seconds_by_part(folder.root, folder.database)


def _not_done(instances: list[TaskInstance]) -> str:
    left = [instance for instance in instances if instance.state != "success"]
    return ", ".join(f"{instance.task_id}[{instance.label}] is {instance.state}" for instance in left)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start everything in a folder, which is emptied, and add the mailboxes."""
    shutil.rmtree(folder, ignore_errors=True)
    options = Options(sandbox=True, settings=SETTINGS, environment=_bundles(), paused=False, parallelism=PARALLELISM)
    with Stack(folder, options) as stack:
        stack.start()
        stack.api.http.timeout = httpx.Timeout(300)  # where the machine has more to do than this, it answers late
        sandbox = SandboxClient(stack.sandbox_url, timeout=120)
        try:
            stack.api.wait_for_dags((REAL, FLOOR), timeout=120)
            populate(stack, sandbox)
            yield Stage(stack, sandbox)
        finally:
            sandbox.close()


def _bundles() -> dict[str, str]:
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path), "refresh_interval": 600},
        }
        for name, path in (("dags-folder", CHECKOUT / "dags"), ("floor", Path(__file__).parent / "dags"))
    ]
    return {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        # No DAG file is parsed while it is measured.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    }


def populate(stack: Installation, sandbox: SandboxClient) -> None:
    """Add the mailboxes on both sides, as an import does."""
    sandbox.put_client(SANDBOX_CLIENT_ID, client_secrets=[SANDBOX_CLIENT_SECRET])
    warmup = [f"w{number:02}@d{number % 8}.example" for number in range(WARMUP)]
    pool = [f"p{number:02}@pool{number % 5}.example" for number in range(POOL)]
    sandbox.put_mailboxes((*warmup, *pool))
    zone, accounts = choose_zone(datetime.now(UTC)), []
    for address in (*warmup, *pool):
        grant = sandbox.grant(address, SANDBOX_CLIENT_ID)
        kind = "warmup" if address in warmup else "pool"
        token = {
            "token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "client_id": SANDBOX_CLIENT_ID,
        }
        accounts.append({"address": address, "kind": kind, "timezone": zone, "oauth_token": token})
    path = stack.folder.root / "accounts.json"
    write_accounts(path, accounts)
    try:
        subprocess.run([_PROGRAM, "mailboxes", "import", str(path)], env=stack.environment, check=True)
    finally:
        path.unlink()

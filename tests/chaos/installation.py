"""A whole Airflow on which faults strike: real processes, real tasks, PostgreSQL and Google's stand-in."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from chaos.faults import Fault
from chaos.invariants import Invariants
from chaos.kills import until
from chaos.runs import Run, names, run
from gmail_embedded import demo_scene
from gmail_embedded.airflow_api import DagRun
from gmail_embedded.errors import AirflowApiError
from gmail_embedded.stack import Options, Stack
from gmail_embedded.supervisor import find_descendants
from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.options import validate_settings
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.world import CLIENT_ID, CLIENT_SECRET, World

DAG = "gmail_warmup"
SETTINGS = demo_scene.SETTINGS | {
    "delay_scale": "0.000000001", "ramp_start": "1", "ramp_step": "0", "ramp_cap": "1", "partner_daily_cap": "1000",
    "mailbox_lease": "30", "mailbox_wait": "5", "suspect_delay": "10",
}  # fmt: skip
FORMER, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
"""Every process has both keys; what is written is under the former one."""
ENVIRONMENT = {
    "GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
    "AIRFLOW__CORE__FERNET_KEY": f"{FORMER},{NEW}",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
}  # fmt: skip
"""A new scheduler takes up what a dead one left after half a minute, and not after Airflow's five."""
PATIENCE = 240
"""Seconds for a run that was struck, in which a task may be tried three times, 30 seconds apart."""
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
_TASK = re.compile(r"airflow worker -- (?!LocalExecutor)")
"""The title of a process that runs a task; its parent, which watches it, is the executor's."""
IN_HAND = frozenset({"queued", "running", "restarting", "scheduled"})


@dataclass
class Installation:
    """What runs, and how a test sees it.

    Attributes:
        world: the same database and stand-in as a test of the plain code has them.
        afterwards: what undoes a strike when its run is over.
    """

    stack: Stack
    world: World
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def begin(self, fault: Fault, senders: Sequence[str]) -> tuple[Invariants, str]:
        """Add senders, each with one mail to send today, and start a run; return when its mails are being sent."""
        for address in senders:
            self.world.add(address, kind="warmup", expired=False, open_rate=100, reply_rate=100)
        invariants, began = Invariants(fault, self.world), self.sent
        invariants.remember()
        run_id = self.stack.api.trigger(DAG).run_id
        until(lambda: self.sent > began, "no mail is sent", seconds=PATIENCE, pause=0.1)
        return invariants, run_id

    @property
    def sent(self) -> int:
        """Return how many mails Google accepted."""
        return self.world.sandbox.stats().totals.sent

    def recover(self, invariants: Invariants, struck: str) -> None:
        """Wait for the run that was struck, whatever it comes to; then a further one must be clean."""
        fault = invariants.fault
        self.over(fault, struck)
        self.undo()
        further = self.over(fault, self.stack.api.trigger(DAG).run_id)
        fault.check(further.state == "success", f"the next run ended as {further.state}")
        last = self._finish()
        invariants.next_run_clean(last.errors, last.done)
        invariants.check()

    def undo(self) -> None:
        """Undo what a strike left."""
        while self.afterwards:
            self.afterwards.pop()()

    def over(self, fault: Fault, run_id: str) -> DagRun:
        """Wait for a run's end, and start again what died, as whoever runs it does; then no task may be in hand."""
        api, found = self.stack.api, list[DagRun]()

        def is_over() -> bool:
            self.revive()
            try:
                found.append(api.dag_run(DAG, run_id))
            except (httpx.HTTPError, AirflowApiError):
                return False
            return found[-1].finished

        with contextlib.suppress(AssertionError):  # it is told below, task by task
            until(is_over, "", seconds=PATIENCE, pause=0.5)
        fault.check(found[-1].finished, f"{run_id} does not end")
        for task in api.task_instances(DAG, run_id):
            name = f"{task.task_id}[{task.label or task.map_index}]"
            fault.check(task.state not in IN_HAND, f"{name} is {task.state} in the end")
        return found[-1]

    def revive(self) -> None:
        """Start again what died."""
        family = self.stack.family
        for child in map(family.get_child, SERVICES):
            if child.exit_code() is not None:
                family.stop(child)
                family.start(child.command)

    def _finish(self) -> Run:
        """Do here what further runs would do: what was rescued is read, answered and collected."""
        last = Run()
        for _ in range(8):
            last = run(self.world, settings=validate_settings(dict(SETTINGS)))
            if not last.done and not last.errors:
                break
        return last

    # Whom a fault strikes.

    def process(self, name: str) -> int:
        """Return the process id of a service itself, not of its supervisor."""
        return find_descendants(self.stack.family.get_child(name).supervisor.pid)[0]

    def tasks(self) -> list[int]:
        """Return the processes in which tasks run now."""
        below = find_descendants(self.stack.family.get_child("scheduler").supervisor.pid)
        return [pid for pid in below if _TASK.match(_title(pid))]

    def kill(self, name: str) -> None:
        """Kill a service as the kernel does, and wait until everything below it is gone too."""
        child = self.stack.family.get_child(name)
        os.kill(self.process(name), signal.SIGKILL)
        until(lambda: child.exit_code() is not None, f"the {name} lives on")


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def installation(folder: Path, *, pool: int = 4) -> Iterator[Installation]:
    """Start everything, with a pool and no senders yet."""
    options = Options(sandbox=True, settings=SETTINGS, environment=ENVIRONMENT, parallelism=4)
    with Stack(folder, options) as stack:
        stack.start()
        with SandboxClient(stack.sandbox_url, timeout=120) as sandbox:
            sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET])
            made = Installation(stack, world_of(stack, sandbox, FORMER, NEW))
            for address in names("pool", pool, "pool.example"):
                made.world.add(address, kind="pool", expired=False)
            stack.api.wait_for_dags((DAG,))
            stack.api.unpause(DAG)
            yield made


def world_of(stack: Stack, sandbox: SandboxClient, *keys: str) -> World:
    """Return database and stand-in of what runs with these Fernet keys, as a test of the plain code has them."""
    engine = sa.create_engine(stack.database_url, poolclass=sa.pool.NullPool, hide_parameters=True)
    cipher = Cipher(MultiFernet([Fernet(key) for key in keys]))
    client = OAuthClient(
        client_id=CLIENT_ID, secrets=(CLIENT_SECRET,), auth_uri=sandbox.auth_uri, token_uri=sandbox.token_uri,
        api_endpoint=sandbox.base_url,
    )  # fmt: skip
    return World(store=GrantStore(engine, cipher), sandbox=sandbox, client=client, actor=Actor(name="chaos"))

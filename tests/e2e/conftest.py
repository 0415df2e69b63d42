"""A whole Airflow with PostgreSQL and Google's stand-in, started once for all tests of this folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alert_kit import CONN_ID, Receiver, listening
from gmail_embedded import demo_scene as scene
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.stack import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, Options, Stack
from gmail_sandbox.client import SandboxClient


@dataclass
class Installation:
    """What the tests drive, and what they look at."""

    stack: Stack
    sandbox: SandboxClient
    tokens: list[str]
    """Every refresh and access token that was handed out when the scene was set."""
    receiver: Receiver
    """Who gets the alerts."""

    def run(self, dag_id: str, conf: dict[str, Any] | None = None) -> tuple[DagRun, list[TaskInstance]]:
        """Run a DAG to its end."""
        run = self.stack.api.trigger(dag_id, conf)
        done = self.stack.api.wait(dag_id, run.run_id, timeout=180)
        return done, self.stack.api.task_instances(dag_id, run.run_id)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the database, as its administrator."""
        engine = sa.create_engine(self.stack.database_url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            found = connection.exec_driver_sql(statement)
            return [tuple(row) for row in found] if found.returns_rows else []

    def in_state(self, state: str) -> list[str]:
        """Return the addresses of the mailboxes in a state."""
        rows = self.rows(
            "SELECT address FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id"
            f" WHERE state = '{state}' ORDER BY address"
        )
        return [address for (address,) in rows]

    def log(self, task: TaskInstance) -> str:
        """Return the log of a task instance as one text."""
        return "\n".join(self.stack.api.log(task))


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Listen for alerts."""
    with listening() as found:
        yield found


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Installation]:
    """Start everything with the demo's 16 mailboxes; seven grants are dead."""
    folder = tmp_path_factory.mktemp("run")
    settings = scene.SETTINGS | {"suspect_delay": "10"}
    alerts = {"conn_type": "apprise", "extra": {"config": [{"path": receiver.url()}]}}
    environment = {f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(alerts)}
    with Stack(folder, Options(sandbox=True, settings=settings, environment=environment)) as stack:
        stack.start()
        sandbox = SandboxClient(stack.sandbox_url)
        accounts = scene.set_google_up(
            sandbox,
            client_id=SANDBOX_CLIENT_ID,
            client_secret=SANDBOX_CLIENT_SECRET,
            redirect_uri=f"{stack.base_url}/gmail-warmup/oauth/callback",
        )
        path = folder / "accounts.json"
        scene.write_accounts(path, accounts)
        program = Path(sys.prefix) / "bin" / "gmail-warmup"
        subprocess.run([program, "mailboxes", "import", str(path)], env=stack.environment, check=True)
        stack.api.wait_for_dags(("gmail_warmup", "gmail_token_health"))
        for dag_id in ("gmail_warmup", "gmail_token_health"):
            stack.api.unpause(dag_id)
        tokens = [account["oauth_token"][key] for account in accounts for key in ("token", "refresh_token")]
        yield Installation(stack=stack, sandbox=sandbox, tokens=tokens, receiver=receiver)
        sandbox.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's program."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.fail("No Chromium was found. Install it: apt-get install chromium")

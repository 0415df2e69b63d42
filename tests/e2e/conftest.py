"""A whole Airflow with PostgreSQL and Google's stand-in, started once for all tests of this folder."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, StorageState, expect, sync_playwright

from gmail_embedded import demo_scene as scene
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.stack import Options, Stack
from gmail_sandbox.client import SandboxClient
from support.alert_kit import CONN_ID, Receiver, listening
from support.e2e_kit import CHECKOUT, FLAGS, MOUNT, Shell, Visits, find_chromium, log_in, new_profile
from support.metrics_kit import StatsD
from support.metrics_kit import listening as measuring
from support.smtp_server import MailServer, receiving_mail
from support.webhook_kit import Inbox, receiving, to_connection

Seen = TypeVar("Seen")

expect.set_options(timeout=60_000)  # milliseconds in which a busy machine has to show something


@dataclass
class Installation:
    """The running installation, and what it sends."""

    stack: Stack
    sandbox: SandboxClient
    tokens: list[str]
    """Every refresh and access token that was issued before the import."""
    receiver: Receiver
    """The receiver of the alerts."""
    measured: StatsD
    """The receiver of the metrics."""
    inbox: Inbox
    """The receiver of the webhooks."""
    post: MailServer
    """The mail server of the Airflow Connection through which owners are mailed."""

    def run(self, dag_id: str, conf: dict[str, Any] | None = None) -> tuple[DagRun, list[TaskInstance]]:
        """Run a DAG and wait for it."""
        run = self.stack.api.trigger(dag_id, conf)
        done = self.stack.api.wait(dag_id, run.run_id, timeout=600)
        return done, self.stack.api.task_instances(dag_id, run.run_id)

    def run_until(self, seen: Callable[[], Seen], dag_id: str, conf: dict[str, Any] | None = None) -> Seen:
        """Run a DAG repeatedly, as its schedule does, until a function returns a true value; return that value.

        The first mail is due at a random time of the day, and a day of the demo takes three minutes.
        """
        end = time.monotonic() + 600
        while time.monotonic() < end:
            self.run(dag_id, conf)
            if found := seen():
                return found
        raise AssertionError(f"{dag_id} ran for ten minutes without a result")

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement as the administrator of the database."""
        engine = sa.create_engine(self.stack.database_url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            found = connection.execute(sa.text(statement), values)
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
def measured() -> Iterator[StatsD]:
    """Listen for metrics."""
    with measuring() as found:
        yield found


@pytest.fixture(scope="session")
def inbox() -> Iterator[Inbox]:
    """Listen for webhooks."""
    with receiving() as found:
        yield found


@pytest.fixture(scope="session")
def post() -> Iterator[MailServer]:
    """Listen for mails to owners."""
    with receiving_mail() as found:
        yield found


def to_bundle(folder: str) -> dict[str, Any]:
    """Return the configuration of a DAG bundle: a folder of the checkout."""
    return {
        "name": "dags-folder" if folder == "dags" else "examples",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(CHECKOUT / folder), "refresh_interval": 30},
    }


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, measured: StatsD, inbox: Inbox, post: MailServer
) -> Iterator[Installation]:
    """Start everything with the demo's 16 mailboxes; seven grants are revoked."""
    folder = tmp_path_factory.mktemp("run")
    webhooks = {"webhook_conn_ids": "support_desk", "webhook_private_addresses": "True"}
    settings = scene.SETTINGS | {"suspect_delay": "10", "owner_mail_sender": "owners"} | webhooks
    alerts = {"conn_type": "apprise", "extra": {"config": [{"path": receiver.url()}]}}
    environment = measured.environment | {
        f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(alerts),
        "AIRFLOW_CONN_SUPPORT_DESK": to_connection(inbox),
        "AIRFLOW_CONN_OWNERS": post.connection(),
        # One fewer than there are warmup mailboxes.
        "AIRFLOW__CORE__MAX_MAP_LENGTH": str(len(scene.WARMUP) - 1),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([*map(to_bundle, ("dags", "docs/examples"))]),
    }
    with Stack(folder, Options(sandbox=True, settings=settings, environment=environment)) as stack:
        stack.start()
        sandbox = SandboxClient(stack.sandbox_url)
        accounts = scene.set_up_google(
            sandbox,
            client_id=SANDBOX_CLIENT_ID,
            client_secret=SANDBOX_CLIENT_SECRET,
            redirect_uri=f"{stack.base_url}/gmail-warmup/oauth/callback",
        )
        path = folder / "accounts.json"
        scene.write_accounts(path, accounts)
        program = Path(sys.prefix) / "bin" / "gmail-warmup"
        subprocess.run([program, "mailboxes", "import", str(path)], env=stack.environment, check=True)
        stack.api.wait_for_dags(("gmail_warmup", "gmail_token_health", "gmail_monitor"))
        for dag_id in ("gmail_warmup", "gmail_token_health"):
            stack.api.unpause(dag_id)
        tokens = [account["oauth_token"][key] for account in accounts for key in ("token", "refresh_token")]
        yield Installation(
            stack=stack, sandbox=sandbox, tokens=tokens, receiver=receiver, measured=measured, inbox=inbox, post=post
        )
        sandbox.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser once."""
    chromium = find_chromium()
    if chromium is None:
        pytest.fail("No Chromium was found. Install it: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def login(browser: Browser, installation: Installation) -> StorageState:
    """Log in to Airflow once; return the browser's storage."""
    context = new_profile(browser)
    log_in(context.new_page(), installation.stack)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="session")
def operator(browser: Browser, login: StorageState) -> BrowserContext:
    """Return the operator's browser profile."""
    return new_profile(browser, login)


@pytest.fixture
def visits(operator: BrowserContext, installation: Installation) -> Iterator[Visits]:
    """Yield an object that opens pages; afterwards check their requests and errors."""
    made = Visits(operator, installation.stack)
    yield made
    made.close()
    assert made.foreign == []
    assert made.complaints == []


@pytest.fixture
def shell(visits: Visits) -> Shell:
    """Yield Airflow's UI, 1280 pixels wide, in light mode."""
    return Shell(visits.page(), visits.stack)


@dataclass(frozen=True)
class Mailboxes:
    """Adds mailboxes for one test."""

    installation: Installation

    def add(self, address: str, *, kind: str = "pool", **settings: Any) -> str:
        """Add a mailbox without a grant, here and at Google."""
        self.installation.sandbox.put_mailbox(address)
        body = {"address": address, "settings": {"kind": kind} | settings}
        self.ask("POST", "/mailboxes", json=body)
        return address

    def connected(self, address: str, **settings: Any) -> str:
        """Add a mailbox with a working grant."""
        self.add(address, **settings)
        stack = self.installation.stack
        scene.Browser(stack.api, stack.base_url).reauthenticate(address)
        return address

    def flagged(self, address: str, **settings: Any) -> str:
        """Add a mailbox whose grant was revoked and flagged."""
        self.connected(address, **settings)
        self.installation.sandbox.revoke_grants(address, cause="revoked")
        self.installation.rows(
            "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked', "
            "state_since = now()"
            " WHERE mailbox_id = (SELECT id FROM gmail_warmup.mailbox WHERE address = :address)", address=address
        )  # fmt: skip
        return address

    def state(self, address: str) -> str:
        """Return the state of a mailbox's grant."""
        return str(self.ask("GET", f"/mailboxes/{address}")["state"])

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send a request to the page's API."""
        stack = self.installation.stack
        bearer = {"Authorization": f"Bearer {stack.api.token}"}
        answer = httpx.request(method, f"{stack.base_url}{MOUNT}/api/v1{path}", headers=bearer, timeout=60, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def mailboxes(installation: Installation) -> Iterator[Mailboxes]:
    """Yield an object that adds mailboxes; they are removed after the test."""
    before = [address for (address,) in installation.rows("SELECT address FROM gmail_warmup.mailbox")]
    yield Mailboxes(installation)
    left = installation.rows(
        "DELETE FROM gmail_warmup.mailbox WHERE address <> ALL(:before) RETURNING address", before=before
    )
    there = {box.address for box in installation.sandbox.mailboxes()}
    for address in {address for (address,) in left} & there:
        installation.sandbox.delete_mailbox(address)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take screenshots of the browser when a test fails, and add their paths to its report."""
    report = yield
    visits = getattr(item, "funcargs", {}).get("visits")
    if report.when == "call" and report.failed and visits:
        paths = visits.photograph(item.name)
        report.sections.append(("Pictures of the browser", "\n".join(map(str, paths))))
    return report

"""The documentation's own commands, run as they are written: going live, the API, a backup and its restore."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from gmail_embedded import demo_scene as scene
from gmail_embedded.command_environment import remove_environment, write_environment
from gmail_embedded.postgres import find_programs_folder
from gmail_sandbox.control.report_models import MailOut
from support.e2e_kit import Google
from support.postgres_server import running_postgres

pytestmark = pytest.mark.e2e

DOCS = Path(__file__).parents[2] / "docs"
ADA, BEN = "ada@going-live.test", "ben@other-domain.test"


def written(page: str, heading: str) -> list[str]:
    """Return the commands below a heading of a page."""
    text = (DOCS / page).read_text()
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{page} has no section '{heading}'"
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", section[1], re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in re.findall(r"^ *\$ (.*)", block, re.MULTILINE)]


class Terminal:
    """A shell in which one command follows the other, with the variables that they set."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment | {"PATH": f"{find_programs_folder()}:{environment['PATH']}", "COLUMNS": "100"}
        self.folder = folder

    def run(self, *lines: str) -> str:
        """Run commands in one shell; each has to succeed."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(lines)],
            env=self.environment, cwd=self.folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (lines, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


@pytest.fixture
def terminal(installation: Any, tmp_path: Path) -> Terminal:
    user, password = installation.stack.login
    assert user == "admin"
    more = {"AIRFLOW": installation.stack.base_url, "PASSWORD": password}
    return Terminal(installation.stack.environment | more, tmp_path)


def test_who_follows_going_live_has_a_mailbox_that_sends(installation, shell, mailboxes, terminal: Terminal):
    """The steps in Google's console are aside: the stand-in's client and mailboxes stand for what they make."""
    assert [line for line in written("going-live.md", r"3\. Airflow") if "doctor" in line] == [
        "make cli ARGS=doctor",
        "docker compose exec scheduler gmail-warmup doctor",
        "gmail-warmup doctor",
    ]
    checks = {
        check["name"]: check["status"] for check in json.loads(terminal.run("gmail-warmup doctor --json"))["checks"]
    }
    assert {checks[name] for name in ("settings", "Fernet key", "database", "OAuth client", "token endpoint")} == {"ok"}
    zone = scene.choose_zone(datetime.now(UTC))
    for address, kind in ((BEN, "Pool"), (ADA, "Warmup")):
        installation.sandbox.put_mailbox(address)
        frame = shell.open()
        frame.get_by_role("button", name="Add mailbox").click()
        form = frame.get_by_role("dialog", name="Add a mailbox")
        form.get_by_label("Address").fill(address)
        form.get_by_label(kind).check()
        form.get_by_role("button", name="Continue to Google").click()
        google = Google(shell.page)
        assert google.suggested == address
        google.allow()
        expect(shell.frame.get_by_text(f"{address} is connected")).to_be_visible()
    mailboxes.ask("POST", "/mailboxes/change", json={"addresses": [ADA], "changes": {"timezone": zone}})
    mails = installation.run_until(lambda: sent_by(installation, ADA), "gmail_warmup", {"mailboxes": [ADA, BEN]})
    figures = json.loads(terminal.run(f"gmail-warmup stats {ADA} --json"))
    assert f'"sent": {len(mails)}' in json.dumps(figures)
    assert ADA in terminal.run("gmail-warmup mailboxes list")


def sent_by(installation: Any, address: str) -> list[MailOut]:
    return [mail for mail in installation.sandbox.mails(limit=10_000) if mail.sender == address]


def test_the_examples_of_the_api_work(installation, mailboxes, terminal: Terminal):
    base, token, counts = written("api.md", "Getting in")[:3]
    examples = written("api.md", "Getting in")[3:] + written("operations.md", "Alerts")
    assert len(examples) == 8
    begin = [token]  # the address of the page stands in the environment
    assert base.startswith("AIRFLOW=")
    assert json.loads(terminal.run(*begin, counts))["total"] > 0
    said = [terminal.run(*begin, example) for example in examples]
    assert "mailboxes" in json.loads(said[0])
    assert said[1].lstrip("\ufeff").startswith("address,kind")
    assert json.loads(said[2]) == {"mailboxes": [], "cold_mails": 0, "next_after": None}  # no ramp is complete yet
    assert json.loads(said[3])["address"] == "ada@example.com"
    assert json.loads(said[4])["changed"] == 1
    assert installation.rows("SELECT count(*) FROM gmail_warmup.halt WHERE ended_at IS NULL") == [(0,)]
    assert json.loads(said[7])["scheduler"]["status"] == "healthy"


@pytest.fixture
def another_server() -> Iterator[str]:
    """Run a second PostgreSQL, in which roles are others; yield the URL of an empty database."""
    with running_postgres() as url:
        yield url.replace("+psycopg2", "")


def test_a_backup_comes_back_into_another_database(installation, mailboxes, terminal: Terminal, another_server: str):
    address = mailboxes.connected("kept@backup.test", daily_target=33)
    engine_url = installation.stack.database_url
    terminal.environment["DATABASE_URL"] = re.sub(r"^postgresql\+\w+", "postgresql", engine_url)
    listed = terminal.run(*written("operations.md", "Backup"))
    assert "TABLE DATA gmail_warmup oauth_grant" in listed
    before = json.loads(terminal.run("gmail-warmup mailboxes list --json"))

    fresh = another_server.replace("postgresql://", "postgresql+psycopg2://")
    terminal.environment |= {"DATABASE_URL": another_server, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": fresh}
    client = installation.rows("SELECT login FROM public.connection WHERE conn_id = 'gmail_oauth_client'")[0][0]
    terminal.environment |= {"GOOGLE_CLIENT_ID": client, "GOOGLE_CLIENT_SECRET": "sandbox-client-secret"}
    terminal.environment |= {
        "GOOGLE_AUTH_URI": installation.sandbox.auth_uri,
        "GOOGLE_TOKEN_URI": installation.sandbox.token_uri,
        "AIRFLOW__GMAIL_WARMUP__GMAIL_API_ENDPOINT": installation.sandbox.base_url,
    }
    steps = written("operations.md", "Restore")
    assert len(steps) == 8
    terminal.run(*(step for step in steps if "doctor" not in step))
    after = json.loads(terminal.run("gmail-warmup mailboxes list --json"))
    assert after == before
    checks = json.loads(terminal.run("gmail-warmup doctor --json || true"))["checks"]
    assert {check["status"] for check in checks if check["name"] in ("stored secrets", "schema", "database role")} == {
        "ok"
    }
    asked = len(installation.sandbox.token_requests(address=address))
    terminal.run(f"gmail-warmup grants refresh {address}")
    assert len(installation.sandbox.token_requests(address=address)) == asked + 1
    (forget,) = written("operations.md", "Removing a mailbox")
    terminal.run(forget.replace("ada@example.com", address))
    assert address not in terminal.run("gmail-warmup mailboxes list")


def test_a_shell_with_the_environment_of_the_installation_reaches_it(installation: Any, tmp_path: Path) -> None:
    stack = installation.stack
    write_environment(stack.folder, stack.environment)
    script = f"source {stack.folder.environment_file}; gmail-warmup mailboxes list --json; gmail-warmup doctor --json"
    environment = {"PATH": os.defpath, "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    remove_environment(stack.folder)
    listed, end = json.JSONDecoder().raw_decode(done.stdout)
    checks = json.loads(done.stdout[end:])["checks"]
    assert set(scene.WARMUP) <= {box["address"] for box in listed}
    assert "ok" in {check["status"] for check in checks if check["name"] == "database"}, checks

"""``make demo``: run both DAGs on a real Airflow and PostgreSQL against a simulated Google, and check the result."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

try:
    import sqlalchemy as sa
    from rich import box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    from gmail_embedded import command_environment, console
    from gmail_embedded import demo_scene as scene
    from gmail_embedded.airflow_api import DagRun, TaskInstance
    from gmail_embedded.errors import EmbeddedError
    from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, Installation
    from gmail_embedded.progress import Progress, Step
    from gmail_embedded.runfolder import CHECKOUT
    from gmail_embedded.stack import Options, Stack
    from gmail_sandbox.client import SandboxClient
except KeyboardInterrupt:  # Ctrl-C while the modules load
    sys.exit(130)

HEALTH, WARMUP, MONITOR = "gmail_token_health", "gmail_warmup", "gmail_monitor"
MAX_RUNS = 60
MIN_SENT = 50
REPORT_TITLE = "Counted at the sandbox"


@dataclass
class DemoRecord:
    """The counts of one demo run."""

    first_audit: dict[str, int] = field(default_factory=dict)
    second_audit: dict[str, int] = field(default_factory=dict)
    flagged: list[dict[str, str]] = field(default_factory=list)
    dag_runs: int = 0
    failed_tasks: int = 0
    requests_for_flagged: int = 0
    counts: scene.MailCounts | None = None


class Demo:
    """Run the demo on an installation whose context was entered.

    Args:
        stack: the installation.
        progress: shows each step.
        patience: maximum seconds of one DAG run.
    """

    def __init__(self, stack: Installation, progress: Progress, *, patience: float = 600) -> None:
        self.stack, self.progress, self.record, self._patience = stack, progress, DemoRecord(), patience
        self._sandbox: SandboxClient | None = None

    @property
    def sandbox(self) -> SandboxClient:
        """Return a client of the sandbox's control API."""
        if self._sandbox is None:
            self._sandbox = SandboxClient(self.stack.sandbox_url)
        return self._sandbox

    def run(self) -> DemoRecord:
        """Run every step and return the counts."""
        self.stack.start(self.progress.step)
        command_environment.write_environment(self.stack.folder, self.stack.environment)
        with self.progress.step("Import of 16 mailboxes: 8 warmup, 8 pool, all access tokens expired") as step:
            self._import_mailboxes(step)
        self.record.first_audit = self._audit("First token audit")
        self._show_flagged()
        last_request = max((request.id for request in self.sandbox.token_requests()), default=0)
        with self.progress.step("Warmup run with the mailboxes whose grants work") as step:
            self._run_warmup(step)
        self.record.requests_for_flagged = sum(
            request.address in scene.REVOKED_POOL for request in self.sandbox.token_requests(after=last_request)
        )
        with self.progress.step("Re-authentication on the page 'Gmail accounts'") as step:
            self._reauthenticate(step)
        self.record.second_audit = self._audit("Second token audit")
        with self.progress.step("Repeated warmup runs") as step:
            self._run_warmup_until_done(step)
        return self.record

    def prepare_to_stay(self, stack: Stack) -> str:
        """Revoke one grant, have it flagged, and turn on the schedules; return the address of the mailbox."""
        address = scene.REVOKED_POOL[-1]
        with self.progress.step("A grant for you to repair") as step:
            self.sandbox.revoke_grants(address, cause="revoked")
            self._run_dag(HEALTH, step, {"force": True})
            step.update(address)
        with self.progress.step("Schedules"):
            # The first claim of a day fixes its volume, and the report needed all of it.
            volume = int(scene.LASTING_SETTINGS["ramp_start"])
            self._execute("UPDATE gmail_warmup.mailbox_day SET ramp = :volume, planned = :volume", volume=volume)
            stack.change_settings(scene.LASTING_SETTINGS)
            stack.api.unpause(MONITOR)
            command_environment.write_environment(stack.folder, stack.environment)
        return address

    def _import_mailboxes(self, step: Step) -> None:
        self._reset_earlier_demo()
        accounts = scene.set_up_google(
            self.sandbox,
            client_id=SANDBOX_CLIENT_ID,
            client_secret=SANDBOX_CLIENT_SECRET,
            redirect_uri=f"{self.stack.base_url}/gmail-warmup/oauth/callback",
        )
        path = self.stack.folder.root / "accounts.json"
        scene.write_accounts(path, accounts)
        try:
            step.update(self._command("mailboxes", "import", str(path)))
        finally:
            path.unlink()
        for dag_id in (HEALTH, WARMUP):
            self.stack.api.unpause(dag_id)

    def _reset_earlier_demo(self) -> None:
        """Delete the DAG runs and mailboxes of an earlier demo, which the sandbox no longer has."""
        self.stack.api.wait_for_dags((HEALTH, WARMUP))
        for dag_id in (HEALTH, WARMUP):
            for run in self.stack.api.dag_runs(dag_id):
                path = f"/dags/{dag_id}/dagRuns/{quote(run.run_id)}"
                if not run.finished:  # left by an interrupted demo; Airflow does not delete a running DAG run
                    self.stack.api.request("PATCH", path, json={"state": "failed"})
                self.stack.api.request("DELETE", path)
        self._execute("TRUNCATE gmail_warmup.mailbox, gmail_warmup.consent CASCADE")

    def _execute(self, statement: str, **values: object) -> None:
        """Execute a statement as the administrator of the database."""
        engine = sa.create_engine(self.stack.database_url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def _command(self, *arguments: str) -> str:
        program = str(Path(sys.prefix) / "bin" / "gmail-warmup")
        done = subprocess.run(  # noqa: S603  our own program
            [program, *arguments], env=self.stack.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise EmbeddedError(f"gmail-warmup {' '.join(arguments[:2])}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip().splitlines()[-1]

    def _audit(self, title: str) -> dict[str, int]:
        with self.progress.step(title) as step:
            run, tasks = self._run_dag(HEALTH, step)
            report = next(task for task in tasks if task.task_id == "report")
            health: dict[str, Any] = self.stack.api.xcom(report)
            self.record.flagged = health["attention"]
            counts = {name: health[name] for name in ("valid", "refreshed", "needs_reauth")}
            step.update(
                f"{counts['valid']} valid, {counts['refreshed']} refreshed, "
                f"{counts['needs_reauth']} need re-authentication ({run.state})"
            )
        return counts

    def _show_flagged(self) -> None:
        """Print the flagged mailboxes by cause."""
        by_cause: dict[tuple[str, str], list[str]] = {}
        for item in self.record.flagged:
            by_cause.setdefault((item["reason"], item["step"]), []).append(item["address"])
        for (reason, step), addresses in by_cause.items():
            self.progress.console.print(
                Padding(
                    f"[yellow]{len(addresses)} mailboxes:[/] {reason}\n{step}\n[dim]{', '.join(sorted(addresses))}[/]",
                    (0, 2),
                )
            )

    def _reauthenticate(self, step: Step) -> None:
        browser = scene.Browser(self.stack.api, self.stack.base_url)
        try:
            for number, item in enumerate(self.record.flagged, 1):
                browser.reauthenticate(item["address"])
                step.update(f"{number} of {len(self.record.flagged)} mailboxes signed in again")
        finally:
            browser.close()

    def _run_warmup(self, step: Step) -> None:
        self._run_dag(WARMUP, step)
        step.update(self._format_counts(scene.count_mails(self.sandbox)))

    def _run_warmup_until_done(self, step: Step) -> None:
        for number in range(1, MAX_RUNS + 1):
            _, tasks = self._run_dag(WARMUP, step)
            self.record.counts = counts = scene.count_mails(self.sandbox)
            step.update(f"{number} runs: {self._format_counts(counts)}")
            worked = any(task.map_index >= 0 for task in tasks)
            if counts.sent > MIN_SENT and not worked and counts.replied == counts.collected > 0:
                return

    def _run_dag(
        self, dag_id: str, step: Step, conf: Mapping[str, Any] | None = None
    ) -> tuple[DagRun, list[TaskInstance]]:
        """Run a DAG once; failed tasks are counted and reported instead of raised."""
        run = self.stack.api.trigger(dag_id, conf)

        def progress(now: DagRun, tasks: list[TaskInstance]) -> None:
            mapped = Counter(task.task_id for task in tasks if task.map_index >= 0)
            step.update(", ".join(f"{count} {name}" for name, count in mapped.items()) or now.state)
            self.on_progress(now, tasks)

        done = self.stack.api.wait(dag_id, run.run_id, timeout=self._patience, progress=progress)
        tasks = self.stack.api.task_instances(dag_id, run.run_id)
        self.record.dag_runs += 1
        self.record.failed_tasks += sum(task.state in ("failed", "upstream_failed") for task in tasks)
        return done, tasks

    def on_progress(self, run: DagRun, tasks: list[TaskInstance]) -> None:
        """Do nothing; a subclass may react to the state of a running DAG run."""

    @staticmethod
    def _format_counts(counts: scene.MailCounts) -> str:
        return (
            f"{counts.sent} sent, {counts.spam} in spam, {counts.rescued} rescued, {counts.read} read, "
            f"{counts.replied} replied, {counts.collected} collected"
        )


def build_result(record: DemoRecord, seconds: float) -> dict[str, Any]:
    """Return the object that the last line of the output contains."""
    assert record.counts is not None
    counts = asdict(record.counts)
    duplicates = counts.pop("duplicates")
    return {
        "mailboxes": len(scene.WARMUP) + len(scene.WORKING_POOL) + len(scene.REVOKED_POOL),
        "first_audit": record.first_audit,
        "second_audit": record.second_audit,
        **counts,
        "duplicates": duplicates,
        "token_requests_for_dead_grants_after_flag": record.requests_for_flagged,
        "dag_runs": record.dag_runs,
        "failed_tasks": record.failed_tasks,
        "seconds": round(seconds, 1),
    }


def find_failed_checks(result: dict[str, Any]) -> list[str]:
    """Return the expectations that the demo did not meet."""
    checks = {
        "the first audit refreshes 9 and flags 7": result["first_audit"]
        == {"valid": 0, "refreshed": 9, "needs_reauth": 7},
        "the second audit finds 16 valid": result["second_audit"] == {"valid": 16, "refreshed": 0, "needs_reauth": 0},
        f"more than {MIN_SENT} mails were sent": result["sent"] > MIN_SENT,
        "some mails landed in spam and all of them were moved to the inbox": 0 < result["spam"] == result["rescued"],
        "mails were read, answered and collected": min(result["read"], result["replied"], result["collected"]) > 0,
        "every reply was collected": result["replied"] == result["collected"],
        "no mail was sent twice": result["duplicates"] == 0,
        "no token request was made for a flagged mailbox": result["token_requests_for_dead_grants_after_flag"] == 0,
        "no task failed": result["failed_tasks"] == 0,
    }
    return [check for check, passed in checks.items() if not passed]


def print_result(console: Console, result: dict[str, Any], failed_checks: list[str]) -> None:
    """Print the result as a table, and the expectations that were not met."""
    table = Table(title=REPORT_TITLE, title_justify="left", show_header=False, box=box.SIMPLE, pad_edge=False)
    table.add_column()
    table.add_column(justify="right", style="bold")
    for name in ("sent", "inbox", "spam", "rescued", "read", "replied", "collected", "duplicates"):
        table.add_row(name, str(result[name]))
    table.add_row("token requests for flagged mailboxes", str(result["token_requests_for_dead_grants_after_flag"]))
    table.add_row("DAG runs", str(result["dag_runs"]))
    table.add_row("failed tasks", str(result["failed_tasks"]))
    console.print(table)
    for check in failed_checks:
        console.print(f"[red]not met:[/] {check}")


def print_addresses(console: Console, installation: Installation, broken: str) -> None:
    """Print the addresses of the running installation and what to try.

    Args:
        broken: the mailbox with a revoked grant; empty if the demo only shows its result.
    """
    user, password = installation.login
    lines = [
        f"\nAirflow:  {installation.base_url}  (menu: Gmail accounts)",
        f"Login:    {user} / {password}",
        f"Sandbox:  {installation.sandbox_url}/sandbox/v1/stats",
        command_environment.describe_commands(installation.folder),
    ]
    if broken:
        lines += [
            "\nTry it:",
            f"1. Google has revoked the grant of {broken}. Open Gmail accounts, press 'Re-authenticate', then Allow.",
            "2. Warmup continues: the DAG gmail_warmup runs every two minutes. Watch a mailbox's page fill.",
            "3. List what is due: make cli ARGS=backlog",
        ]
    console.print(
        "\n".join([*lines, "\nPress Ctrl-C to stop everything."]), soft_wrap=True, highlight=False, markup=False
    )


def run_demo(installation: Installation, *, stay: bool) -> int:
    """Run the demo and print the result; return 1 if an expectation was not met, 2 if the demo could not run.

    Args:
        installation: its context is entered here.
        stay: keep Airflow running until Ctrl-C instead of exiting.
    """
    progress, started = Progress(), time.monotonic()
    try:
        with installation:
            progress.console.print(f"Logs: {installation.folder.logs}", soft_wrap=True)
            demo = Demo(installation, progress)
            result = build_result(demo.run(), time.monotonic() - started)
            failed_checks = find_failed_checks(result)
            print_result(progress.console, result, failed_checks)
            if stay:
                broken = demo.prepare_to_stay(installation) if isinstance(installation, Stack) else ""
                print_addresses(progress.console, installation, broken)
                installation.wait_for_exit()
    except KeyboardInterrupt:
        progress.console.print("Stopped.")
        return 0 if stay else 130
    except EmbeddedError as error:
        progress.console.print(f"[red]Error:[/] {error}", soft_wrap=True)
        return 2
    print(json.dumps(result), flush=True)
    return 1 if failed_checks else 0


def main() -> int:
    """Run the demo; return 1 if an expectation was not met, 2 if the demo could not run."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="exit after the run instead of keeping Airflow running")
    parser.add_argument("--port", type=int, help="port of Airflow's web server (default: a free port)")
    parser.add_argument(
        "--folder", type=Path, default=CHECKOUT / ".run" / "demo", help="folder of the database and the logs"
    )
    arguments = parser.parse_args()
    options = Options(
        port=arguments.port,
        sandbox=True,
        settings=scene.SETTINGS,
        durable=False,
        # More tasks than cores, because each one also waits for the api-server and the sandbox.
        parallelism=max(8, 3 * len(os.sched_getaffinity(0))),
    )
    return run_demo(Stack(arguments.folder, options), stay=not arguments.exit)


if __name__ == "__main__":
    console.run_command(main)

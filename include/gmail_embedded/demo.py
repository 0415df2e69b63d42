"""``make demo``: the main job on a real Airflow, a real PostgreSQL and Google's stand-in, from one command."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from gmail_embedded import demo_scene as scene
from gmail_embedded.airflow_api import DagRun, TaskInstance
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, Installation
from gmail_embedded.progress import Step, Steps
from gmail_embedded.runfolder import CHECKOUT
from gmail_embedded.stack import Options, Stack
from gmail_sandbox.client import SandboxClient

HEALTH, WARMUP = "gmail_token_health", "gmail_warmup"
RUNS_AT_MOST = 60
ENOUGH_SENT = 50


@dataclass
class Story:
    """What happened, for the report."""

    first_audit: dict[str, int] = field(default_factory=dict)
    second_audit: dict[str, int] = field(default_factory=dict)
    flagged: list[dict[str, str]] = field(default_factory=list)
    dag_runs: int = 0
    failed_tasks: int = 0
    requests_for_dead: int = 0
    seen: scene.Seen | None = None


class Demo:
    """Tell the story on an installation that has been entered.

    Args:
        stack: the installation.
        steps: where it shows what it does.
        patience: seconds that a run of a DAG may take.
    """

    def __init__(self, stack: Installation, steps: Steps, *, patience: float = 180) -> None:
        self.stack, self.steps, self.story, self._patience = stack, steps, Story(), patience
        self._sandbox: SandboxClient | None = None

    @property
    def sandbox(self) -> SandboxClient:
        """Return the control of Google's stand-in."""
        if self._sandbox is None:
            self._sandbox = SandboxClient(self.stack.sandbox_url)
        return self._sandbox

    def run(self) -> Story:
        """Do everything, step by step."""
        self.stack.start(self.steps.step)
        with self.steps.step("16 mailboxes taken over: 8 warmup, 8 pool, every access token expired") as step:
            self._take_over(step)
        self.story.first_audit = self._audit("First audit")
        self._show_flagged()
        last_request = max((request.id for request in self.sandbox.token_requests()), default=0)
        with self.steps.step("Warmup with the mailboxes that live") as step:
            self._warm_up(step)
        self.story.requests_for_dead = sum(
            request.address in scene.DEAD_POOL for request in self.sandbox.token_requests(after=last_request)
        )
        with self.steps.step("Repair on the page 'Gmail accounts'") as step:
            self._repair(step)
        self.story.second_audit = self._audit("Second audit")
        with self.steps.step("Warmup, run after run") as step:
            self._warm_up_until_done(step)
        return self.story

    def _take_over(self, step: Step) -> None:
        self._forget_earlier_demo()
        accounts = scene.set_google_up(
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

    def _forget_earlier_demo(self) -> None:
        """Begin from nothing: Google's stand-in has forgotten the mailboxes, and so does the database."""
        self.stack.api.wait_for_dags((HEALTH, WARMUP))
        for dag_id in (HEALTH, WARMUP):
            for run in self.stack.api.dag_runs(dag_id):
                path = f"/dags/{dag_id}/dagRuns/{quote(run.run_id)}"
                if not run.finished:  # an earlier demo was interrupted; Airflow deletes no run that goes on
                    self.stack.api.ask("PATCH", path, json={"state": "failed"})
                self.stack.api.ask("DELETE", path)
        engine = sa.create_engine(self.stack.database_url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE gmail_warmup.mailbox, gmail_warmup.consent CASCADE"))

    def _command(self, *arguments: str) -> str:
        program = str(Path(sys.prefix) / "bin" / "gmail-warmup")
        done = subprocess.run(  # noqa: S603  our own program
            [program, *arguments], env=self.stack.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise EmbeddedError(f"gmail-warmup {' '.join(arguments[:2])}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip().splitlines()[-1]

    def _audit(self, title: str) -> dict[str, int]:
        with self.steps.step(title) as step:
            run, tasks = self._run_dag(HEALTH, step)
            report = next(task for task in tasks if task.task_id == "report")
            health: dict[str, Any] = self.stack.api.xcom(report)
            self.story.flagged = health["attention"]
            counts = {name: health[name] for name in ("valid", "refreshed", "needs_reauth")}
            step.update(
                f"{counts['valid']} valid, {counts['refreshed']} refreshed, "
                f"{counts['needs_reauth']} need re-authentication ({run.state})"
            )
        return counts

    def _show_flagged(self) -> None:
        """Print who needs somebody, grouped by cause."""
        by_cause: dict[tuple[str, str], list[str]] = {}
        for item in self.story.flagged:
            by_cause.setdefault((item["reason"], item["step"]), []).append(item["address"])
        for (reason, step), addresses in by_cause.items():
            self.steps.console.print(
                Padding(
                    f"[yellow]{len(addresses)} mailboxes:[/] {reason}\n{step}\n[dim]{', '.join(sorted(addresses))}[/]",
                    (0, 2),
                )
            )

    def _repair(self, step: Step) -> None:
        browser = scene.Browser(self.stack.api, self.stack.base_url)
        try:
            for number, item in enumerate(self.story.flagged, 1):
                browser.repair(item["address"])
                step.update(f"{number} of {len(self.story.flagged)} consents, one mailbox after the other")
        finally:
            browser.close()

    def _warm_up(self, step: Step) -> None:
        self._run_dag(WARMUP, step)
        step.update(self._in_words(scene.seen_by_google(self.sandbox)))

    def _warm_up_until_done(self, step: Step) -> None:
        for number in range(1, RUNS_AT_MOST + 1):
            _, tasks = self._run_dag(WARMUP, step)
            self.story.seen = seen = scene.seen_by_google(self.sandbox)
            step.update(f"{number} runs: {self._in_words(seen)}")
            worked = any(task.map_index >= 0 for task in tasks)
            if seen.sent > ENOUGH_SENT and not worked and seen.replied == seen.collected > 0:
                return

    def _run_dag(self, dag_id: str, step: Step) -> tuple[DagRun, list[TaskInstance]]:
        """Run a DAG once and count it; failed tasks are counted, not fatal: the report says them."""
        run = self.stack.api.trigger(dag_id)

        def progress(now: DagRun, tasks: list[TaskInstance]) -> None:
            mapped = Counter(task.task_id for task in tasks if task.map_index >= 0)
            step.update(", ".join(f"{count} {name}" for name, count in mapped.items()) or now.state)
            self.look(now, tasks)

        done = self.stack.api.wait(dag_id, run.run_id, timeout=self._patience, progress=progress)
        tasks = self.stack.api.task_instances(dag_id, run.run_id)
        self.story.dag_runs += 1
        self.story.failed_tasks += sum(task.state in ("failed", "upstream_failed") for task in tasks)
        return done, tasks

    def look(self, run: DagRun, tasks: list[TaskInstance]) -> None:
        """Hear of every run while it goes on; for those who want to disturb it."""

    @staticmethod
    def _in_words(seen: scene.Seen) -> str:
        return (
            f"{seen.sent} sent, {seen.spam} in spam, {seen.rescued} rescued, {seen.read} read, "
            f"{seen.replied} replied, {seen.collected} collected"
        )


def result_of(story: Story, seconds: float) -> dict[str, Any]:
    """Return the last line of the output as an object."""
    assert story.seen is not None
    seen = asdict(story.seen)
    duplicates = seen.pop("duplicates")
    return {
        "mailboxes": len(scene.WARMUP) + len(scene.LIVING_POOL) + len(scene.DEAD_POOL),
        "first_audit": story.first_audit,
        "second_audit": story.second_audit,
        **seen,
        "duplicates": duplicates,
        "token_requests_for_dead_grants_after_flag": story.requests_for_dead,
        "dag_runs": story.dag_runs,
        "failed_tasks": story.failed_tasks,
        "seconds": round(seconds, 1),
    }


def broken_promises(result: dict[str, Any]) -> list[str]:
    """Return in words what the demo was to show and did not."""
    kept = {
        "the first audit refreshes 9 and flags 7": result["first_audit"]
        == {"valid": 0, "refreshed": 9, "needs_reauth": 7},
        "the second audit finds 16 valid": result["second_audit"] == {"valid": 16, "refreshed": 0, "needs_reauth": 0},
        f"more than {ENOUGH_SENT} mails were sent": result["sent"] > ENOUGH_SENT,
        "some landed in spam and every one was rescued": 0 < result["spam"] == result["rescued"],
        "mails were read, replied and collected": min(result["read"], result["replied"], result["collected"]) > 0,
        "every reply was collected": result["replied"] == result["collected"],
        "no mail was sent twice": result["duplicates"] == 0,
        "a flagged mailbox costs no token request": result["token_requests_for_dead_grants_after_flag"] == 0,
        "no task failed": result["failed_tasks"] == 0,
    }
    return [promise for promise, was_kept in kept.items() if not was_kept]


def show(console: Console, result: dict[str, Any], broken: list[str]) -> None:
    """Print the report."""
    table = Table(title="What Google saw", title_justify="left", show_header=False, box=box.SIMPLE, pad_edge=False)
    table.add_column()
    table.add_column(justify="right", style="bold")
    for name in ("sent", "inbox", "spam", "rescued", "read", "replied", "collected", "duplicates"):
        table.add_row(name, str(result[name]))
    table.add_row(
        "token requests for dead grants after their flag", str(result["token_requests_for_dead_grants_after_flag"])
    )
    table.add_row("DAG runs", str(result["dag_runs"]))
    table.add_row("failed tasks", str(result["failed_tasks"]))
    console.print(table)
    for promise in broken:
        console.print(f"[red]broken:[/] {promise}")


def tell(installation: Installation, *, stay: bool) -> int:
    """Tell the story and show what came of it; return 1 if a promise was broken, 2 if it could not run.

    Args:
        installation: has not been entered yet.
        stay: keep the UI up until Ctrl-C instead of ending by itself.
    """
    steps, began = Steps(), time.monotonic()
    try:
        with installation:
            steps.console.print(f"Logs of every process: {installation.folder.logs}", soft_wrap=True)
            result = result_of(Demo(installation, steps).run(), time.monotonic() - began)
            broken = broken_promises(result)
            show(steps.console, result, broken)
            if stay:
                user, password = installation.login
                steps.console.print(
                    f"\nAirflow:  {installation.base_url}  (menu: Gmail accounts)\nLogin:    {user} / {password}\n"
                    f"Google's stand-in: {installation.sandbox_url}/sandbox/v1/stats\nCtrl-C ends everything.",
                    soft_wrap=True, highlight=False,
                )  # fmt: skip
                installation.watch()
    except KeyboardInterrupt:
        steps.console.print("Ended.")
        return 0 if stay else 130
    except EmbeddedError as error:
        steps.console.print(f"[red]Error:[/] {error}", soft_wrap=True)
        return 2
    print(json.dumps(result), flush=True)
    return 1 if broken else 0


def main() -> int:
    """Run the demo; return 1 if a promise was broken, 2 if it could not run."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end by itself instead of keeping the UI up")
    parser.add_argument("--port", type=int, help="port of Airflow's pages; a free one by default")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".run" / "demo", help="where data and logs are kept")
    arguments = parser.parse_args()
    options = Options(port=arguments.port, sandbox=True, settings=scene.SETTINGS, durable=False)
    return tell(Stack(arguments.folder, options), stay=not arguments.exit)


if __name__ == "__main__":
    sys.exit(main())

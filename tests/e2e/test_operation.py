"""What an operator does, in this order, on a real scheduler and in a real browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest

from gmail_embedded import demo_scene as scene
from gmail_warmup.core.metrics import METRICS

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Before:
    """What there was before these tests: what was measured, the last token request and the last mail."""

    counts: Counter[str]
    token_request: int
    mail: int


@pytest.fixture(scope="module", autouse=True)
def before(installation) -> Before:
    return Before(
        counts=Counter(installation.measured.counts),
        token_request=max((request.id for request in installation.sandbox.token_requests()), default=0),
        mail=max((mail.id for mail in installation.sandbox.mails(limit=10_000)), default=0),
    )


def test_the_audit_names_the_seven_that_need_a_person(installation):
    run, tasks = installation.run("gmail_token_health")
    assert run.state == "success"
    flagged = sorted(task.label for task in tasks if task.task_id == "needs_person")
    assert flagged == sorted(scene.REVOKED_POOL)
    report = next(task for task in tasks if task.task_id == "report")
    health = installation.stack.api.xcom(report)
    assert (health["valid"], health["refreshed"], health["needs_reauth"]) == (0, 9, 7)
    log = installation.log(report)
    assert "7 need re-authentication" in log
    assert all(address in log for address in scene.REVOKED_POOL)


def test_a_dry_run_says_what_is_due_and_does_nothing(installation, before):
    _, tasks = installation.run("gmail_warmup", {"dry_run": True})
    plan = next(task for task in tasks if task.task_id == "plan_send")
    assert "Dry run: nothing is done" in installation.log(plan)
    assert installation.sandbox.mails(after=before.mail) == []
    assert not [task for task in tasks if task.map_index >= 0]


def test_an_unknown_mailbox_in_the_params_is_named_at_once(installation, before):
    run, tasks = installation.run("gmail_warmup", {"mailboxes": ["nobody@warm.example"]})
    assert run.state == "failed"
    plan = next(task for task in tasks if task.task_id == "plan_send")
    assert plan.state == "failed"
    assert plan.try_number == 1
    assert "Unknown mailbox: nobody@warm.example" in installation.log(plan)
    assert installation.sandbox.mails(after=before.mail) == []


def test_each_mailbox_has_its_own_labelled_task(installation, before):
    run, tasks = installation.run("gmail_warmup")
    assert run.state == "success"
    senders = {task.label for task in tasks if task.task_id == "send" and task.map_index >= 0}
    assert senders <= set(scene.WARMUP)
    sent = Counter(mail.sender for mail in installation.sandbox.mails(after=before.mail))
    assert sent.keys() == senders
    asked = installation.sandbox.token_requests()
    assert len([request for request in asked if request.address in scene.REVOKED_POOL]) == len(scene.REVOKED_POOL)


def test_what_airflow_measures_is_what_google_saw(installation, before):
    """The runs above, as a StatsD server received them."""
    measured = installation.measured
    counts, gauges = (
        {name.removeprefix("gmail_warmup."): value for name, value in found.items() if name.startswith("gmail_warmup.")}
        for found in (measured.counts - before.counts, measured.gauges)
    )
    asked = installation.sandbox.token_requests(after=before.token_request)
    dead = sum(request.address in scene.REVOKED_POOL for request in asked)
    assert (counts["refresh.ok"], counts["refresh.account"]) == (len(asked) - dead, dead)
    assert len(measured.times["gmail_warmup.refresh_time"]) >= len(asked)
    first = [mail for mail in installation.sandbox.mails() if mail.sender in scene.WARMUP]
    assert counts["mail.sent"] == len(first)
    assert counts["done.send"] == gauges["due.send"] >= len({mail.sender for mail in first}) > 0
    assert (gauges["grants.active"], gauges["grants.needs_reauth"]) == (9, 7)
    assert gauges["bands.healthy"] == len(scene.WARMUP)
    assert (gauges["halted"], gauges["breakers_open"]) == (0, 0)
    assert 0 <= gauges["backlog.send"] <= len(scene.WARMUP) - gauges["due.send"]
    assert 0 <= gauges["run_at"] - gauges["audited_at"] < 3600
    assert {f"gmail_warmup.{name}" for name in counts | gauges} <= {
        metric.series_name(part) for metric in METRICS for part in metric.label_values or ("",)
    }


@pytest.mark.parametrize(
    ("dag_id", "task_id", "text", "fields"),
    [
        ("gmail_warmup", "plan_send", "send: due in", {"action": "send"}),
        ("gmail_warmup", "send", ": sent ", {"action": "send"}),
        (
            "gmail_token_health",
            "probe",
            f"Account {scene.REVOKED_POOL[0]} needs re-authentication",
            {"mailbox": scene.REVOKED_POOL[0], "reason_code": "expired_or_revoked"},
        ),
        (
            "gmail_token_health",
            "needs_person",
            f"{scene.REVOKED_POOL[0]} needs a person",
            {"mailbox": scene.REVOKED_POOL[0], "reason_code": "expired_or_revoked"},
        ),
    ],
)
def test_an_event_is_one_line_of_json_with_its_fields(installation, dag_id, task_id, text, fields):
    """The files of the runs above, as a collector of logs reads them."""
    tasks = installation.stack.folder.logs / "tasks" / f"dag_id={dag_id}"
    lines = [
        json.loads(line)
        for path in tasks.glob(f"run_id=*/task_id={task_id}/**/attempt=*.log")
        for line in path.read_text().splitlines()
    ]
    found = [line for line in lines if text in line["event"]]
    assert found
    for line in found:
        assert line.items() >= {"dag_id": dag_id, "task_id": task_id}.items() | fields.items()
        assert line["run_id"].startswith("manual__")
    about = [(line["run_id"], line.get("mailbox")) for line in found]
    assert len(about) == len(set(about))  # each said once


def test_clearing_finished_tasks_does_nothing_twice(installation):
    run, tasks = installation.run("gmail_warmup")
    again = [task for task in tasks if task.map_index >= 0]
    installation.stack.api.request(
        "POST",
        "/dags/gmail_warmup/clearTaskInstances",
        json={"dry_run": False, "only_failed": False, "dag_run_id": run.run_id, "reset_dag_runs": True},
    )
    run = installation.stack.api.wait("gmail_warmup", run.run_id, timeout=600)
    assert run.state == "success"
    assert again
    tokens = Counter(mail.headers[scene.TOKEN_HEADER] for mail in installation.sandbox.mails())
    assert max(tokens.values()) == 1


def test_more_mailboxes_than_airflow_maps_take_turns_and_the_longest_waiting_goes_first(installation):
    installation.rows(
        "UPDATE gmail_warmup.mailbox SET next_send_at = now() - make_interval(secs => id) WHERE kind = 'warmup'"
    )
    run, tasks = installation.run("gmail_warmup")
    assert run.state == "success"
    turns = {task.label for task in tasks if task.task_id == "send"}
    (left,) = set(scene.WARMUP) - turns
    plan = next(task for task in tasks if task.task_id == "plan_send")
    assert "those that waited longest go first" in installation.log(plan)
    assert installation.stack.api.xcom(plan, "backlog")["mailboxes"] == len(scene.WARMUP)
    _, tasks = installation.run("gmail_warmup")
    assert next(task for task in tasks if task.task_id == "send" and task.map_index == 0).label == left


def test_a_dead_grant_is_repaired_in_the_browser(installation, shell):
    address = scene.REVOKED_POOL[0]
    shell.find(address)
    shell.row(address).get_by_text("Needs re-authentication").wait_for()
    google = shell.start(address)
    assert google.suggested == address
    google.allow()
    shell.frame.get_by_text(f"{address} works again").wait_for()
    assert "/plugin/gmail-accounts" in shell.page.url
    assert address in installation.in_state("active")


def test_no_token_code_or_secret_is_in_any_log(installation):
    root = installation.stack.folder.root
    texts = {path: path.read_text(errors="replace") for path in (root / "logs").rglob("*.log")}
    assert len(texts) > 10
    secrets = [*installation.tokens, "sandbox-client-secret"]
    found = [path for path, text in texts.items() if any(secret in text for secret in secrets)]
    assert found == []
    callback = re.compile(r"oauth/callback.*[?&'\" ](code|state)=[\w%/-]{8,}")
    assert [path for path, text in texts.items() if callback.search(text)] == []

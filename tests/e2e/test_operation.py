"""What an operator does, in this order, on a real scheduler and in a real browser."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from gmail_embedded import demo_scene as scene

pytestmark = pytest.mark.e2e


def test_the_audit_names_the_seven_that_need_a_person(installation):
    run, tasks = installation.run("gmail_token_health")
    assert run.state == "success"
    flagged = sorted(task.label for task in tasks if task.task_id == "needs_person")
    assert flagged == sorted(scene.DEAD_POOL)
    report = next(task for task in tasks if task.task_id == "report")
    health = installation.stack.api.xcom(report)
    assert (health["valid"], health["refreshed"], health["needs_reauth"]) == (0, 9, 7)
    log = installation.log(report)
    assert "7 need re-authentication" in log
    assert all(address in log for address in scene.DEAD_POOL)


def test_a_dry_run_says_what_is_due_and_does_nothing(installation):
    _, tasks = installation.run("gmail_warmup", {"dry_run": True})
    plan = next(task for task in tasks if task.task_id == "plan_send")
    assert "Dry run: nothing is done" in installation.log(plan)
    assert installation.sandbox.mails() == []
    assert not [task for task in tasks if task.map_index >= 0]


def test_an_unknown_mailbox_in_the_params_is_named_at_once(installation):
    run, tasks = installation.run("gmail_warmup", {"mailboxes": ["nobody@warm.example"]})
    assert run.state == "failed"
    plan = next(task for task in tasks if task.task_id == "plan_send")
    assert plan.state == "failed"
    assert plan.try_number == 1
    assert "Unknown mailbox: nobody@warm.example" in installation.log(plan)
    assert installation.sandbox.mails() == []


def test_each_mailbox_has_its_own_labelled_task(installation):
    run, tasks = installation.run("gmail_warmup")
    assert run.state == "success"
    senders = {task.label for task in tasks if task.task_id == "send" and task.map_index >= 0}
    assert senders <= set(scene.WARMUP)
    sent = Counter(mail.sender for mail in installation.sandbox.mails())
    assert sent.keys() == senders
    asked = installation.sandbox.token_requests()
    assert len([request for request in asked if request.address in scene.DEAD_POOL]) == len(scene.DEAD_POOL)


def test_clearing_finished_tasks_does_nothing_twice(installation):
    run, tasks = installation.run("gmail_warmup")
    again = [task for task in tasks if task.map_index >= 0]
    installation.stack.api.ask(
        "POST",
        "/dags/gmail_warmup/clearTaskInstances",
        json={"dry_run": False, "only_failed": False, "dag_run_id": run.run_id, "reset_dag_runs": True},
    )
    run = installation.stack.api.wait("gmail_warmup", run.run_id, timeout=180)
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
    address = scene.DEAD_POOL[0]
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

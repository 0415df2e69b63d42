"""In Airflow's own places: the tab of a DAG, and the link of a task instance."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gmail_embedded.airflow_api import TaskInstance

pytestmark = pytest.mark.e2e

HEALTH = "gmail_token_health"


@pytest.mark.parametrize("dag_id", ["gmail_warmup", HEALTH])
def test_the_tab_of_a_dag_shows_the_counts_and_leads_to_the_list(shell, mailboxes, dag_id: str):
    shell.page.goto(f"{shell.stack.base_url}/dags/{dag_id}")
    shell.page.get_by_role("link", name="Gmail accounts").last.click()
    counts = mailboxes.ask("GET", "/counts")
    counter = shell.frame.get_by_role("link", name="Valid")
    expect(counter).to_contain_text(f"{counts['valid']:,}")
    counter.click()
    expect(shell.frame.locator("#list")).to_be_visible()
    assert "/plugin/gmail-accounts" in shell.page.url


@pytest.fixture
def flagged_task(installation, mailboxes) -> TaskInstance:
    """A task instance of a mailbox that needed a person; of an audit that was there already, if there is one."""

    def tasks(run_id: str) -> list[TaskInstance]:
        found = installation.stack.api.task_instances(HEALTH, run_id)
        return [task for task in found if task.task_id == "needs_person" and task.map_index >= 0]

    known = installation.rows("SELECT address FROM gmail_warmup.mailbox")
    for run in installation.stack.api.dag_runs(HEALTH):
        if there := [task for task in tasks(run.run_id) if (task.label,) in known]:
            return there[0]
    address = mailboxes.connected("ada@task.test")
    installation.sandbox.revoke_grants(address, cause="revoked")
    run, _ = installation.run(HEALTH, {"force": True})
    return next(task for task in tasks(run.run_id) if task.label == address)


def test_a_flagged_task_leads_to_its_mailbox_and_starts_nothing(installation, shell, flagged_task):
    before = installation.rows("SELECT count(*) FROM gmail_warmup.consent")
    task = flagged_task
    page = shell.page
    instance = f"/dags/{HEALTH}/runs/{task.run_id}/tasks/needs_person/mapped/{task.map_index}"
    page.goto(f"{shell.stack.base_url}{instance}/details")
    page.get_by_role("link", name="Re-authenticate").click()
    focus = shell.frame.locator("#focus")
    expect(focus).to_contain_text(str(task.label))
    expect(focus.get_by_role("button", name="Re-authenticate")).to_be_visible()
    assert "/plugin/gmail-accounts" in page.url
    assert installation.rows("SELECT count(*) FROM gmail_warmup.consent") == before

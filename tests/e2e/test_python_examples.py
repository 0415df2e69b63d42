"""The example DAGs of the documentation, run by a real scheduler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gmail_embedded.airflow_api import TaskInstance

pytestmark = pytest.mark.e2e

ADA, GRACE = "ada@example.com", "grace@example.com"
MAIL = f"""To: {ADA}
Subject: Figures
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

See the file.
--b
Content-Type: text/csv
Content-Disposition: attachment; filename="figures.csv"

one,two
--b--
"""


class Example:
    """A DAG of the documentation, which is paused at first."""

    def __init__(self, installation: Any, dag_id: str) -> None:
        self.api, self.dag_id = installation.stack.api, dag_id
        self.api.wait_for_dags((dag_id,))

    def wait_for_run(self) -> tuple[str, dict[str, TaskInstance]]:
        """Wait for the run that the scheduler creates; return its state and its task instances by id."""
        end = time.monotonic() + 120
        while not (runs := self.api.dag_runs(self.dag_id)):
            assert time.monotonic() < end, f"The scheduler created no run of {self.dag_id}."
            time.sleep(0.5)
        done = self.api.wait(self.dag_id, runs[0].run_id, timeout=300)
        tasks = {task.task_id: task for task in self.api.task_instances(self.dag_id, runs[0].run_id)}
        return done.state, tasks

    def flagged(self) -> dict[str, list[str]]:
        """Return the addresses in the events that triggered each run, by its id."""
        found = {}
        for run in self.api.dag_runs(self.dag_id):
            path = f"/dags/{self.dag_id}/dagRuns/{run.run_id}/upstreamAssetEvents"
            events = self.api.request("GET", path)["asset_events"]
            found[run.run_id] = [address for event in events for address in event["extra"]["addresses"]]
        return found


@pytest.fixture
def example(installation, request: pytest.FixtureRequest) -> Iterator[Example]:
    """Yield the DAG that the test names."""
    made = Example(installation, request.param)
    yield made
    made.api.pause(made.dag_id)


def runs(dag_id: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [dag_id], indirect=True)


@runs("answer_with_report")
def test_a_mail_with_an_attachment_is_answered(installation, mailboxes, example: Example):
    mailboxes.connected(ADA)
    installation.sandbox.put_mailbox(GRACE)
    installation.sandbox.deliver(ADA, sender="boss@example.com", raw=MAIL)
    example.api.unpause(example.dag_id)
    state, tasks = example.wait_for_run()
    assert state == "success", {name: task.state for name, task in tasks.items()}
    assert example.api.xcom(tasks["write_report"]).startswith("1 attachments with ")
    assert [mail.to for mail in installation.sandbox.mails(limit=10_000) if mail.sender == ADA] == [[GRACE]]


@runs("read_profile")
def test_a_failure_is_reported_and_the_next_run_reads_the_profile(installation, mailboxes, example: Example):
    example.api.unpause(example.dag_id)
    state, _ = example.wait_for_run()
    assert state == "failed"  # there is no such mailbox yet
    end = time.monotonic() + 60
    while not any("read_profile" in title for title in installation.receiver.titles):
        assert time.monotonic() < end, installation.receiver.titles
        time.sleep(0.5)
    mailboxes.connected(ADA)
    run, (task,) = installation.run(example.dag_id)
    assert run.state == "success"
    assert example.api.xcom(task).isdecimal()


@runs("ticket_for_flagged_mailboxes")
def test_a_flagged_mailbox_triggers_a_ticket(installation, mailboxes, example: Example):
    mailboxes.connected(ADA)
    example.api.unpause(example.dag_id)
    installation.sandbox.revoke_grants(ADA, cause="revoked")
    installation.run("gmail_token_health", {"force": True})
    # Events that came before this test may have triggered a run of their own.
    end = time.monotonic() + 120
    while not (found := [(run_id, flagged) for run_id, flagged in example.flagged().items() if ADA in flagged]):
        assert time.monotonic() < end, "No run was triggered by the audit that flagged the mailbox."
        time.sleep(0.5)
    run_id, flagged = found[0]
    assert example.api.wait(example.dag_id, run_id, timeout=300).state == "success"
    (ticket,) = [task for task in example.api.task_instances(example.dag_id, run_id) if task.task_id == "open_ticket"]
    assert example.api.xcom(ticket) == len(flagged)

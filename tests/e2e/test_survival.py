"""Tasks killed in the middle of a run of a real scheduler; ``make chaos`` strikes everything else as well."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from chaos.faults import Fault
from chaos.installation import DAG, PATIENCE, Installation, world_of
from chaos.kills import until
from gmail_embedded import demo_scene as scene
from support.world import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.e2e
SENDER = "sue@epsilon.example"


def run_until_it_sends(installation) -> str:
    """Run the DAG until a mail has come to Google, and return the run that still waits for the answer.

    A mailbox that was added just now has its first mail due in the next seconds or minutes of its shortened day.
    """
    api, ends = installation.stack.api, time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        run_id = api.trigger(DAG, {"mailboxes": [SENDER]}).run_id
        until(lambda: sends(installation) or api.dag_run(DAG, run_id).finished, "the run does not end", pause=0.2)  # noqa: B023
        if sends(installation):
            return run_id
    raise AssertionError("nothing is sent")


def sends(installation) -> bool:
    """Tell whether the mail came whose answer hangs."""
    return any(fault.hits for fault in installation.sandbox.faults())


def test_a_task_that_is_killed_while_it_sends_is_made_up_for(installation):
    stack, account = installation.stack, Fault("a task killed")
    world = world_of(stack, installation.sandbox, stack.folder.secrets.fernet_key)
    installation.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET])
    world.add(SENDER, kind="warmup", expired=False, timezone=scene.choose_zone(datetime.now(UTC)))
    struck = Installation(stack, world)
    installation.sandbox.add_fault("gmail.users.drafts.send", address=SENDER, times=1, when="after", hang_seconds=60)
    run_id = run_until_it_sends(installation)
    for pid in struck.tasks():
        os.kill(pid, signal.SIGKILL)
    installation.rows("UPDATE gmail_warmup.mailbox SET lease_until = now()")  # the time of the dead is over
    assert struck.over(account, run_id).state == "success"
    installation.sandbox.clear_faults()
    assert struck.over(account, stack.api.trigger(DAG, {"mailboxes": [SENDER]}).run_id).state == "success"
    assert account.violations == []
    mails = [mail for mail in installation.sandbox.mails(limit=10_000) if mail.sender == SENDER]
    assert max(Counter(mail.headers[scene.TOKEN_HEADER] for mail in mails).values()) == 1
    at_google = {mail.headers[scene.TOKEN_HEADER] for mail in mails}
    ledger = installation.rows(
        "SELECT token, status FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = l.sender_id"
        f" WHERE address = '{SENDER}'"
    )
    assert {token for token, _ in ledger} == at_google
    assert {status for _, status in ledger} == {"sent"}

"""A cluster whose workers are killed: what is set sooner for that, who is busy, and what the books say afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from gmail_embedded.airflow_api import TaskInstance
from gmail_embedded.demo_scene import TOKEN_HEADER
from gmail_embedded.installation import Installation
from gmail_sandbox.client import SandboxClient

SOONER = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    # A task that only waits for a free worker is queued again as well; after this many times it would be failed.
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "1000",
}
"""What takes five or ten minutes with docker-compose.yaml takes half of one with these."""
SOONER_SETTINGS = {"mailbox_lease": "30"}
SLOW, FAST = {"gmail": 400}, {"gmail": 0}
"""Milliseconds of each of Google's answers, so that tasks last long enough to be met in their middle."""

_LEDGER = """
SELECT count(*) FILTER (WHERE status = 'sent'), count(*) FILTER (WHERE status IN ('claimed', 'drafted'))
FROM gmail_warmup.ledger
"""


def busy(tasks: Iterable[TaskInstance], worker: str) -> list[TaskInstance]:
    """Return the mapped tasks that a worker is doing, if it is worth killing: several, one of which sends."""
    doing = [task for task in tasks if task.map_index >= 0 and task.state == "running" and task.hostname == worker]
    return doing if len(doing) >= 2 and any(task.task_id == "send" for task in doing) else []


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the ledger and Google say when nothing runs.

    Attributes:
        recorded: mails that the ledger holds for sent.
        unfinished: mails that are claimed or drafted, and that nobody sends now.
        at_google: mails with a token of ours.
        duplicates: how many of them are there again.
    """

    recorded: int
    unfinished: int
    at_google: int
    duplicates: int

    @property
    def lost(self) -> int:
        """Return how many mails the ledger promises that Google does not have."""
        return max(0, self.recorded - (self.at_google - self.duplicates)) + self.unfinished


def read_books(installation: Installation, sandbox: SandboxClient) -> Books:
    """Compare the ledger with what Google received."""
    engine = sa.create_engine(installation.database_url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        recorded, unfinished = connection.execute(sa.text(_LEDGER)).one()
    tokens = Counter(mail.headers[TOKEN_HEADER] for mail in sandbox.mails(limit=10_000) if TOKEN_HEADER in mail.headers)
    again = sum(count - 1 for count in tokens.values())
    return Books(recorded=recorded, unfinished=unfinished, at_google=tokens.total(), duplicates=again)

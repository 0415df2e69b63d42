"""Helpers for tests that kill workers: shorter timeouts, the busy tasks, and a comparison of ledger and Google."""

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
"""Shorter timeouts: half a minute instead of the five or ten minutes of docker-compose.yaml."""
SOONER_SETTINGS = {"mailbox_lease": "30"}
SLOW, FAST = {"gmail": 400}, {"gmail": 0}
"""Milliseconds per response of Google, so that tasks run long enough to be interrupted."""

_LEDGER = """
SELECT count(*) FILTER (WHERE status = 'sent'), count(*) FILTER (WHERE status IN ('claimed', 'drafted'))
FROM gmail_warmup.ledger
"""


def busy(tasks: Iterable[TaskInstance], worker: str) -> list[TaskInstance]:
    """Return a worker's running mapped tasks if there are several and one of them sends, otherwise nothing."""
    doing = [task for task in tasks if task.map_index >= 0 and task.state == "running" and task.hostname == worker]
    return doing if len(doing) >= 2 and any(task.task_id == "send" for task in doing) else []


@dataclass(frozen=True, kw_only=True)
class Books:
    """The counts of the ledger and of Google when nothing runs.

    Attributes:
        recorded: mails that are sent according to the ledger.
        unfinished: mails that are claimed or drafted.
        at_google: mails with a token of the ledger.
        duplicates: how many of them are repeated.
    """

    recorded: int
    unfinished: int
    at_google: int
    duplicates: int

    @property
    def lost(self) -> int:
        """Return how many mails of the ledger Google does not have."""
        return max(0, self.recorded - (self.at_google - self.duplicates)) + self.unfinished


def read_books(installation: Installation, sandbox: SandboxClient) -> Books:
    """Compare the ledger with what Google received."""
    engine = sa.create_engine(installation.database_url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        recorded, unfinished = connection.execute(sa.text(_LEDGER)).one()
    tokens = Counter(mail.headers[TOKEN_HEADER] for mail in sandbox.mails(limit=10_000) if TOKEN_HEADER in mail.headers)
    again = sum(count - 1 for count in tokens.values())
    return Books(recorded=recorded, unfinished=unfinished, at_google=tokens.total(), duplicates=again)

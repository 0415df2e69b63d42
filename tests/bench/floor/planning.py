"""What ``plan`` costs for ten thousand mailboxes that all have something due."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import sqlalchemy as sa

from bench.engine.due import SETTINGS, fill
from bench.ground import Ground
from support.world import CLIENT_ID, CLIENT_SECRET

MAILBOXES, LEDGER_ROWS = 12_500, 500_000
"""One of five is in the pool, so ten thousand send."""

_PLAN = """
import json, resource, time
from types import SimpleNamespace
from gmail_warmup.airflow.tasks import execution, warmup
run = SimpleNamespace(dag_id="gmail_warmup", run_id="bench")
execution.get_current_context = lambda: {"dag_run": run, "params": {}}
began = time.perf_counter()
found = {action.value: len(warmup.plan_action(action.value, {})) for action in warmup.Action}
seconds = time.perf_counter() - began
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found]))
"""


class PlanFailedError(Exception):
    """The plan was not made."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What it took.

    Attributes:
        seconds: for the five actions, one after the other.
        megabytes: the most memory of the process, all that it imports included.
        found: mapped tasks by action.
    """

    seconds: float
    megabytes: float
    found: dict[str, int]


_ALL_DUE = (
    "UPDATE gmail_warmup.mailbox SET next_send_at = now() - interval '1 minute' WHERE kind = 'warmup'",
    "UPDATE gmail_warmup.ledger SET collected_at = NULL WHERE parent_id IS NOT NULL",
    "UPDATE gmail_warmup.ledger SET placement = NULL, placed_at = NULL WHERE parent_id IS NULL AND id % 20 = 0",
)


def plan_all(ground: Ground) -> Planned:
    """Let ten thousand senders have a mail and an answer due, and the pool mails to find; plan in a fresh process."""
    ground.fresh()
    engine = sa.create_engine(ground.place().database_url, hide_parameters=True)
    try:
        fill(engine, mailboxes=MAILBOXES, ledger_rows=LEDGER_ROWS)
        with engine.begin() as connection:
            for statement in _ALL_DUE:
                connection.execute(sa.text(statement))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        return _measured(ground, engine.url)
    finally:
        engine.dispose()
        ground.fresh()


def _measured(ground: Ground, url: sa.URL) -> Planned:
    found = {"conn_type": "postgres", "login": url.username, "password": url.password,
             "host": url.query["host"], "schema": url.database}  # fmt: skip
    client = {"conn_type": "gmail_oauth_client", "login": CLIENT_ID, "password": CLIENT_SECRET}
    environment = ground.environment | {
        "AIRFLOW_CONN_GMAIL_WARMUP_DB": json.dumps(found),
        "AIRFLOW_CONN_GMAIL_OAUTH_CLIENT": json.dumps(client),
        "AIRFLOW__CORE__MAX_MAP_LENGTH": str(MAILBOXES),  # all of them have their turn
        "AIRFLOW__GMAIL_WARMUP__SENDING_WINDOW": SETTINGS.sending_window,
        "AIRFLOW__GMAIL_WARMUP__SENDING_DAYS": SETTINGS.sending_days,
        "AIRFLOW__GMAIL_WARMUP__RETENTION_DAYS": str(SETTINGS.retention_days),
    }
    done = subprocess.run([sys.executable, "-c", _PLAN], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise PlanFailedError(f"The plan failed: {done.stderr[-2000:]}")
    seconds, megabytes, tasks = json.loads(done.stdout.splitlines()[-1])
    return Planned(seconds=seconds, megabytes=megabytes, found=tasks)

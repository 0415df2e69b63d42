"""One phase of an upgrade, in the environment of one Airflow: migrate what the folder holds, run both DAGs, say how."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from gmail_embedded import demo_scene as scene
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.stack import Options, Stack

DAGS = ("gmail_token_health", "gmail_warmup")
PATIENCE = 600


def main(folder: Path, sandbox_url: str, accounts: Path) -> None:
    """Print one line of JSON: the version, and how each DAG's run ended."""
    google = {
        "GOOGLE_CLIENT_ID": SANDBOX_CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
        "GOOGLE_AUTH_URI": f"{sandbox_url}/o/oauth2/v2/auth",
        "GOOGLE_TOKEN_URI": f"{sandbox_url}/token",
        "AIRFLOW__GMAIL_WARMUP__GMAIL_API_ENDPOINT": sandbox_url,
    }
    settings = scene.SETTINGS | {"suspect_delay": "10"}
    with Stack(folder, Options(settings=settings, environment=google, parallelism=4, patience=PATIENCE)) as stack:
        stack.start()
        if not mailboxes(stack):
            program = Path(sys.prefix) / "bin" / "gmail-warmup"
            subprocess.run([program, "mailboxes", "import", accounts], env=stack.environment, check=True, stdout=2)
        stack.api.http.timeout = PATIENCE
        stack.api.wait_for_dags(DAGS, timeout=PATIENCE)
        found: dict[str, object] = {"airflow": version("apache-airflow")}
        for dag_id in DAGS:
            stack.api.unpause(dag_id)
            run = stack.api.trigger(dag_id)
            found[dag_id] = stack.api.wait(dag_id, run.run_id, timeout=PATIENCE).state
        found["mailboxes"] = mailboxes(stack)
    print(json.dumps(found), flush=True)


def mailboxes(stack: Stack) -> int:
    """Return how many mailboxes there are."""
    with sa.create_engine(stack.database_url, poolclass=sa.pool.NullPool).connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM gmail_warmup.mailbox")) or 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

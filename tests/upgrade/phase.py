"""One phase of an upgrade, in the environment of one Airflow: migrate what the folder holds, run both DAGs, say how.

``make compat`` runs it on a new folder.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import sqlalchemy as sa

import gmail_warmup
from gmail_embedded import demo_scene as scene
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.stack import Options, Stack

DAGS = ("gmail_token_health", "gmail_warmup")
PATIENCE = 600


def main(folder: Path, sandbox_url: str, accounts: Path) -> None:
    """Print one line of JSON: the version, how each DAG's run ended, and what else works."""
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
        found: dict[str, object] = {"airflow": version("apache-airflow"), "import": import_all(), "migrations": "ok"}
        for dag_id in DAGS:
            stack.api.unpause(dag_id)
            run = stack.api.trigger(dag_id)
            found[dag_id] = stack.api.wait(dag_id, run.run_id, timeout=PATIENCE).state
        found |= {"page": check_page(stack), "plugin": check_plugin(stack), "mailboxes": mailboxes(stack)}
    print(json.dumps(found), flush=True)


def import_all() -> str:
    """Import every module of the package but the migrations, which run inside of alembic only."""
    for module in pkgutil.walk_packages(gmail_warmup.__path__, "gmail_warmup."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return "ok"


def check_page(stack: Stack) -> str:
    """Request the page and the tab of a DAG with the login of Airflow."""
    headers = {"Authorization": f"Bearer {stack.api.token}"}
    pages = [stack.api.http.get(f"/gmail-warmup/{path}", headers=headers) for path in ("", f"dag/{DAGS[0]}")]
    works = all(page.status_code == httpx.codes.OK and "Gmail accounts" in page.text for page in pages)
    return "ok" if works else "failed"


def check_plugin(stack: Stack) -> str:
    """Return whether Airflow has loaded the plugin once, and without an error."""
    names = [plugin["name"] for plugin in stack.api.request("GET", "/plugins")["plugins"]]
    errors = stack.api.request("GET", "/plugins/importErrors")["total_entries"]
    return "ok" if names.count("gmail_warmup") == 1 and not errors else "failed"


def mailboxes(stack: Stack) -> int:
    """Return how many mailboxes there are."""
    with sa.create_engine(stack.database_url, poolclass=sa.pool.NullPool).connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM gmail_warmup.mailbox")) or 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

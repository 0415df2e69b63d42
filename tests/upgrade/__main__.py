"""``make upgrade``: a database that the oldest Airflow of the range made and used is taken over by the locked one.

The package is the same on both sides; Airflow and its task SDK are not. Google's stand-in outlives the change, so that
it sees whether a mail goes out twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from gmail_embedded import demo_scene as scene
from gmail_embedded.console import FAILED, run_command
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.runfolder import CHECKOUT
from gmail_sandbox.client import SandboxClient
from gmail_sandbox.server import running
from support.airflow_environment import make_environment

OLDEST = "3.3.0"
PLACE = CHECKOUT / ".run" / "upgrade"


def phase(python: Path, folder: Path, sandbox: SandboxClient, accounts: Path) -> dict[str, object]:
    """Run one phase; return what it found."""
    argv = [python, "-m", "upgrade.phase", folder, sandbox.base_url, accounts]
    variables = os.environ | {"PYTHONPATH": str(CHECKOUT / "tests")}
    done = subprocess.run(argv, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found))
    return found


def main() -> int:
    """Upgrade; return 1 if a run failed, a mailbox or a mail is missing, or a mail was sent twice."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="upgrade-") as folder, running() as sandbox:
        given = scene.set_up_google(
            sandbox, client_id=SANDBOX_CLIENT_ID, client_secret=SANDBOX_CLIENT_SECRET, redirect_uri="http://localhost/"
        )
        sandbox.restore_grants(*scene.REVOKED_POOL)
        accounts = Path(folder) / "accounts.json"
        scene.write_accounts(accounts, given)
        sent, phases = [], []
        for python in (make_environment(PLACE / f"airflow-{OLDEST}", airflow=OLDEST), Path(sys.executable)):
            phases.append(phase(python, Path(folder) / "run", sandbox, accounts))
            sent.append(len(sandbox.mails(limit=10_000)))
        tokens = Counter(mail.headers[scene.TOKEN_HEADER] for mail in sandbox.mails(limit=10_000))
    runs = [found[dag_id] for found in phases for dag_id in ("gmail_token_health", "gmail_warmup")]
    line = {
        "from": phases[0]["airflow"], "to": phases[1]["airflow"], "runs": runs, "mails": sent,
        "duplicates": tokens.total() - len(tokens), "mailboxes": [found["mailboxes"] for found in phases],
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    print(json.dumps(line), flush=True)
    fine = set(runs) == {"success"} and line["mailboxes"] == [len(given)] * 2
    return 0 if fine and line["duplicates"] == 0 and 0 < sent[0] < sent[1] else FAILED


if __name__ == "__main__":
    run_command(main)

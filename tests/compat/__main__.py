"""``make compat``: run the package on every supported Airflow and on every installed Python, and print a table.

Each combination gets an environment of its own in ``.run/compat``, and a new database: all modules are imported, the
migrations run, both DAGs run on a real scheduler, and page and plugin are requested from the api-server. PYTHONS and
AIRFLOWS choose interpreters and versions.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from gmail_embedded import demo_scene as scene
from gmail_embedded.console import FAILED, run_command
from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.runfolder import CHECKOUT
from gmail_sandbox.server import running
from support.airflow_environment import make_environment

AIRFLOWS = ("3.3.0", "3.3.2")
NEXT_MINOR = "3.4"
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
COLUMNS = ("airflow", "python", "import", "migrations", "gmail_token_health", "gmail_warmup", "page", "plugin")


@dataclass(frozen=True, kw_only=True)
class Combination:
    """An Airflow and an interpreter."""

    airflow: str
    interpreter: str

    @property
    def home(self) -> Path:
        """Return the folder of its environment."""
        return CHECKOUT / ".run" / "compat" / f"{Path(self.interpreter).name}-airflow-{self.airflow}"


def find_newest(minor: str) -> str | None:
    """Return the newest release of a minor version of Airflow on the package index; None if there is none."""
    home = CHECKOUT / ".run" / "compat" / "pip"  # an environment that uv made has no pip
    if not home.exists():
        venv.create(home, with_pip=True)
    argv = [home / "bin" / "python", "-m", "pip", "index", "versions", "apache-airflow"]
    output = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(rf"\b{re.escape(minor)}\.\d+\b", output.partition("Available versions:")[2])
    return found[0] if found else None


def is_usable(interpreter: str) -> bool:
    """Return whether an interpreter starts: the command of a version manager may name one that is not installed."""
    return bool(shutil.which(interpreter)) and not subprocess.call([interpreter, "-c", ""], stderr=subprocess.DEVNULL)


def list_combinations() -> list[Combination]:
    """Return every Airflow with the first interpreter, and the last Airflow with every interpreter."""
    interpreters = os.environ.get("PYTHONS", "").split() or [*filter(is_usable, PYTHONS)]
    versions = os.environ.get("AIRFLOWS", "").split()
    if not versions:
        versions = [*AIRFLOWS, *filter(None, [find_newest(NEXT_MINOR)])]
    pairs = [(version, interpreters[0]) for version in versions[:-1]] + [(versions[-1], name) for name in interpreters]
    return [Combination(airflow=airflow, interpreter=interpreter) for airflow, interpreter in pairs]


def check_combination(combination: Combination) -> dict[str, str]:
    """Return what worked, by column."""
    names = {"airflow": combination.airflow, "python": Path(combination.interpreter).name.removeprefix("python")}
    try:
        python = make_environment(combination.home, airflow=combination.airflow, interpreter=combination.interpreter)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{combination.interpreter}, Airflow {combination.airflow}: no environment: {error}", file=sys.stderr)
        return dict.fromkeys(COLUMNS, "failed") | names
    with tempfile.TemporaryDirectory(prefix="compat-") as name, running() as sandbox:
        folder = Path(name)
        given = scene.set_up_google(
            sandbox, client_id=SANDBOX_CLIENT_ID, client_secret=SANDBOX_CLIENT_SECRET, redirect_uri="http://localhost/"
        )
        scene.write_accounts(folder / "accounts.json", given)
        argv = [python, "-m", "upgrade.phase", folder / "run", sandbox.base_url, folder / "accounts.json"]
        variables = os.environ | {"PYTHONPATH": f"{CHECKOUT / 'tests'}:{CHECKOUT / 'include'}"}
        done = subprocess.run(argv, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return dict.fromkeys(COLUMNS, "failed") | {key: found[key] for key in COLUMNS if key in found} | names


def format_row(values: list[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(values)} |"


def main() -> int:
    """Print the table; return 1 if something failed."""
    rows = [check_combination(combination) for combination in list_combinations()]
    print(format_row(list(COLUMNS)), format_row(["---"] * len(COLUMNS)), sep="\n")
    for row in rows:
        print(format_row([row[column] for column in COLUMNS]))
    if "AIRFLOWS" not in os.environ and not rows[-1]["airflow"].startswith(NEXT_MINOR):
        print(format_row([NEXT_MINOR, "", "not on the package index", *[""] * (len(COLUMNS) - 3)]))
    return FAILED if any("failed" in row.values() for row in rows) else 0


if __name__ == "__main__":
    run_command(main)

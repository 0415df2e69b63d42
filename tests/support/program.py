"""Run the program ``gmail-warmup`` as a process on the test's database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

PROGRAM = Path(sys.prefix) / "bin" / "gmail-warmup"


def environment(home: Path, engine: sa.Engine, *keys: str) -> dict[str, str]:
    """Return the environment of a process that has these Fernet keys, newest first."""
    url = engine.url.set(drivername="postgres").render_as_string(hide_password=False)
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__FERNET_KEY": ",".join(keys),
        "AIRFLOW_CONN_GMAIL_WARMUP_DB": url,
    }


def start(variables: dict[str, str], *words: str) -> subprocess.Popen[str]:
    """Start the program."""
    return subprocess.Popen(
        [PROGRAM, *words], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip


def run(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program and wait for it."""
    return subprocess.run(
        [PROGRAM, *words], env=variables, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False
    )

"""Migrate the database and run `gmail-warmup init` in one process, because importing Airflow twice takes seconds.

Writes one byte to the given descriptor after the migration, when Airflow's own processes can start.
"""

from __future__ import annotations

import os
import sys


def main(descriptor: int) -> None:
    """Run `airflow db migrate`, write the byte, run `gmail-warmup init`."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "db", "migrate"]
    airflow()  # type: ignore[no-untyped-call]
    os.write(descriptor, b"m")
    os.close(descriptor)

    from gmail_warmup.cli import app

    app(["init"])


if __name__ == "__main__":
    main(int(sys.argv[1]))

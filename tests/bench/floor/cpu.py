"""Where the processor's time goes: by part of the installation, ended processes included."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psutil

from gmail_embedded.processes import find_processes

_PARTS = {
    "airflow worker": "task processes",
    "airflow scheduler": "scheduler",
    "bin/airflow scheduler": "scheduler",
    "api_server": "api-server",
    "api-server": "api-server",
    "postgres": "database",
    "gmail_sandbox": "stand-in for Google",
}
"""What a command line contains, and which part of the installation the process then is; the first that fits."""
TASKS = "task processes"
PARTS = tuple(dict.fromkeys(_PARTS.values()))


def seconds_by_part(folder: Path, database: Path) -> Counter[str]:
    """Return the seconds of processor time so far, by part; those of an ended process are its parent's."""
    found: Counter[str] = Counter()
    for pid in find_processes(folder, database):
        try:
            process = psutil.Process(pid)
            command, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:  # it ended meanwhile, and is counted with its parent
            continue
        part = next((part for text, part in _PARTS.items() if text in command), None)
        if part:
            found[part] += times.user + times.system + times.children_user + times.children_system
    return found

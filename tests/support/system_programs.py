"""The programs, beside those of a bare machine, that `make e2e` runs; the Makefile and `.ci/run` run this file.

Standard library only, so that it works before `make setup`. Prints the Debian packages of the missing programs; with
`--check`, prints how to install them and fails.
"""

from __future__ import annotations

import os
import shutil
import sys

PACKAGES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "curl": ("curl",),
    "pgbouncer": ("pgbouncer",),
    "prometheus": ("promtool",),
    "redis-server": ("redis-server",),
}
"""Packages, each with its program; any of several names will do."""

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"


def find_program(*names: str) -> str | None:
    """Return the path of the first program that is installed, or None."""
    return next(filter(None, (shutil.which(name, path=_PATH) for name in names)), None)


def missing_packages() -> list[str]:
    """Return the packages of the programs that are not installed."""
    return [package for package, names in PACKAGES.items() if find_program(*names) is None]


if __name__ == "__main__":
    missing = " ".join(missing_packages())
    if missing and "--check" in sys.argv:
        sys.exit(f"make e2e needs programs that are not installed. Install them: apt-get install {missing}")
    print(missing)

"""The environment of commands for a running installation: a file that a shell sources and that ``make cli`` reads.

It exists while the installation runs. Only its owner can read it: it contains the Fernet key and the address of the
database.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from gmail_embedded.errors import EmbeddedError
from gmail_embedded.runfolder import CHECKOUT, RunFolder, write_private

_PREFIXES = ("AIRFLOW", "GOOGLE_")
_ONLY_FOR_INIT = "GOOGLE_CLIENT_SECRET"  # stored in a Connection
_FOLDERS = ("demo", "up", "cluster-demo", "cluster")
_NOT_RUNNING = "No installation of this checkout runs. Start one with 'make demo' or 'make up', then run this again."


def write_environment(folder: RunFolder, environment: Mapping[str, str]) -> None:
    """Write the file of an installation that has started."""
    chosen = {name: value for name, value in environment.items() if _is_ours(name) and name != _ONLY_FOR_INIT}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(chosen.items())]
    programs = shlex.quote(str(Path(sys.prefix) / "bin"))
    write_private(folder.environment_file, "\n".join([*lines, f"export PATH={programs}:$PATH", ""]))


def remove_environment(folder: RunFolder) -> None:
    """Remove the file of an installation that stops."""
    folder.environment_file.unlink(missing_ok=True)


def describe_commands(folder: RunFolder) -> str:
    """Return how to run commands against an installation, in two lines."""
    path = folder.environment_file
    shown = path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path
    return f'Commands: make cli ARGS="mailboxes list"\n          or in this shell: source {shlex.quote(str(shown))}'


def run_command(arguments: Sequence[str], *, runs: Path = CHECKOUT / ".run") -> NoReturn:
    """Replace this process by ``gmail-warmup`` with the environment of the running installation.

    Raises:
        EmbeddedError: if no installation runs.
    """
    environment = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    environment |= read_environment(_find_running(runs))
    program = str(Path(sys.prefix) / "bin" / "gmail-warmup")
    os.execve(program, [program, *arguments], environment)  # noqa: S606  our own program


def read_environment(file: Path) -> dict[str, str]:
    """Return the variables of a file that `write_environment` wrote, without PATH."""
    words = shlex.split(file.read_text(encoding="utf-8"))
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs if name != "PATH"}


def _find_running(runs: Path) -> Path:
    """Return the file of the running installation, the newest if there are several."""
    folders = [RunFolder(runs / name) for name in _FOLDERS]
    running = [folder.environment_file for folder in folders if folder.environment_file.exists() and folder.is_locked()]
    if not running:
        raise EmbeddedError(_NOT_RUNNING)
    return max(running, key=lambda file: file.stat().st_mtime)


def _is_ours(name: str) -> bool:
    return name.startswith(_PREFIXES)

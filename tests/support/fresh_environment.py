"""A virtual environment with the locked packages but without this project, to install the project's wheel into."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder and return its path."""
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(argv, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("gmail_warmup-*.whl")
    return wheel


class FreshEnvironment:
    """A virtual environment; the packages of this one are linked, because installing them takes minutes.

    Args:
        root: where to create it.
        excluded: beginnings of the names of packages that it does not get, with underscores.
    """

    def __init__(self, root: Path, *excluded: str) -> None:
        self.root = root
        venv.create(root, with_pip=True, symlinks=True)
        packages, linked = Path(sysconfig.get_path("purelib")), root / "linked"
        linked.mkdir()
        ours = ("gmail_", "_gmail_", "pip", "setuptools", "_distutils", "distutils", *excluded)
        for entry in packages.iterdir():
            if not entry.name.startswith(ours):
                (linked / entry.name).symlink_to(entry)
        self.packages = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (self.packages / "linked.pth").write_text(f"{linked}\n")
        self._write_script("airflow", "from airflow.__main__ import main; main()")

    def _write_script(self, name: str, code: str) -> None:
        """Write a command, as pip would for a package that it installs."""
        path = self.root / "bin" / name
        path.write_text(f"#!{self.root / 'bin' / 'python'}\n{code}\n")
        path.chmod(0o755)

    def build_variables(self, home: Path, **more: str) -> dict[str, str]:
        """Return the environment of a command: nothing of this process, so that nothing of this checkout is found."""
        return {"PATH": f"{self.root / 'bin'}:{os.defpath}", "HOME": str(home), "AIRFLOW_HOME": str(home), **more}

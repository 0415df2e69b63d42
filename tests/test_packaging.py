"""The package, its requirements and its locks agree."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.fresh_environment import build_wheel

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
WITHOUT_UPPER_BOUND = {"cryptography", "structlog"}
"""Their major versions do not mark incompatible changes: several a year, or the year."""


def read_requirements(path: Path) -> Iterator[Requirement]:
    """Yield the requirements of a file and of those that it includes."""
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            yield from read_requirements(path.with_name(line.removeprefix("-r ").strip()))
        elif line and not line.startswith("#"):
            yield Requirement(line)


def read_lock(name: str) -> dict[str, set[str]]:
    """Return the versions of each package of a lock; there are several with different markers."""
    found: dict[str, set[str]] = {}
    for package, version in LOCKED.findall((ROOT / name).read_text()):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_pin_is_in_its_lock(path: Path) -> None:
    locked = read_lock(path.with_suffix(".lock").name)
    for requirement in read_requirements(path):
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement
        assert locked.get(canonicalize_name(requirement.name)) == {pin.version}, requirement


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_every_package_of_a_lock_has_a_hash(path: Path) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*$", "", path.read_text(), flags=re.MULTILINE), flags=re.M)
    assert len(entries) > 20
    assert [entry for entry in entries if entry.strip() and "--hash=sha256:" not in entry] == []


def test_the_slim_lock_is_the_lock_without_the_google_provider() -> None:
    slim, full = read_lock("requirements-slim.lock"), read_lock("requirements.lock")
    assert "apache-airflow-providers-google" in full
    assert "apache-airflow-providers-google" not in slim
    assert {name: full.get(name) for name in slim} == slim
    assert len(slim) < 0.7 * len(full)
    assert {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]} <= slim.keys()


def test_what_the_package_requires_is_bounded_and_as_locked() -> None:
    locked = read_lock("requirements.lock")
    texts = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in map(Requirement, texts):
        bounded = any(specifier.operator in ("<", "<=", "~=") for specifier in requirement.specifier)
        assert bounded or requirement.name in WITHOUT_UPPER_BOUND, requirement
        (version,) = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version}"


def test_only_the_extra_requires_the_google_provider() -> None:
    name = "apache-airflow-providers-google"
    assert not [text for text in PROJECT["dependencies"] if text.startswith(name)]
    assert [text.startswith(name) for text in PROJECT["optional-dependencies"]["delegation"]] == [True]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


def test_the_wheel_has_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name.split("/")[0] for name in wheel.namelist()}
    assert inside == {"gmail_warmup", f"gmail_warmup-{PROJECT['version']}.dist-info"}
    folder = ROOT / "include" / "gmail_warmup"
    expected = {
        str(path.relative_to(folder.parent))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if name.startswith("gmail_warmup/")} == expected


def test_airflow_finds_plugin_and_provider_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    entries = ConfigParser()
    entries.read_string(wheel.read(f"gmail_warmup-{PROJECT['version']}.dist-info/entry_points.txt").decode())
    assert dict(entries["airflow.plugins"]) == {"gmail_warmup": "gmail_warmup.web.plugin:GmailWarmupPlugin"}
    assert "provider_info" in entries["apache_airflow_provider"]


@pytest.mark.parametrize("name", ["gmail_warmup", "gmail_token_health", "gmail_monitor"])
def test_a_dag_file_is_a_line_that_imports_the_one_of_the_package(name: str) -> None:
    assert f"from gmail_warmup.airflow.dags.{name} import" in (ROOT / "dags" / f"{name}.py").read_text()
    assert (ROOT / "include" / "gmail_warmup" / "airflow" / "dags" / f"{name}.py").exists()


def test_the_badge_of_the_readme_names_the_combinations_that_were_tested() -> None:
    rows = re.findall(r"^\| (3\.\d+)\.\d+ \| (3\.\d+) \| ok \| ok \| success \|", CONTRIBUTING, re.MULTILINE)
    badge = (ROOT / "docs" / "images" / "tested.svg").read_text()
    assert f"Airflow {', '.join(dict.fromkeys(airflow for airflow, _ in rows))};" in badge
    assert f"Python {' | '.join(dict.fromkeys(python for _, python in rows))};" in badge

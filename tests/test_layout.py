"""The layout of the package: what is where, and which folder may import which."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "include" / "gmail_warmup"
LAYERS = (
    ("cli", "web", "doctor"),
    ("airflow",),
    ("alerts",),
    ("warmup",),
    ("transfer", "gmail", "audit"),
    ("oauth",),
    ("mailboxes", "crypto", "domains"),
    ("db",),
    ("core",),
)
"""The folders; each imports only from its own line and from the lines below it."""

RANK = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}
MODULES_PER_FOLDER = 16
AT_THE_ROOT = {"__init__.py", "preload.py"}
MAY_IMPORT_AIRFLOW = {"db/manager.py", "db/migrations/env.py"}
"""Below `airflow/`: what Airflow's database commands load."""

MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the dotted names that a module imports anywhere in it, those of `from a import b` as `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def folders_in_use(path: Path) -> set[str]:
    """Return the other folders of the package that a module imports from."""
    parts = [name.split(".") for name in imports(path) if name.startswith("gmail_warmup.")]
    return {part[1] for part in parts} & RANK.keys() - {folder_of(path)}


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def in_folders() -> Iterator[Path]:
    return (path for path in MODULES if path.parent != PACKAGE)


def test_no_module_is_at_the_root() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} <= AT_THE_ROOT


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {folder_of(path) for path in in_folders()} == set(RANK)


def test_no_folder_is_crowded() -> None:
    modules = defaultdict(list)
    for path in MODULES:
        if path.name != "__init__.py" and path.parent.name != "versions":
            modules[str(path.parent.relative_to(PACKAGE))].append(path.name)
    assert {folder: names for folder, names in modules.items() if len(names) > MODULES_PER_FOLDER} == {}


@pytest.mark.parametrize("folder", RANK)
def test_imports_point_downwards(folder: str) -> None:
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {used}"
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for used in sorted(folders_in_use(path))
        if RANK[used] < RANK[folder]
    ]
    assert upwards == []


def test_no_folders_import_each_other() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for path in in_folders():
        graph[folder_of(path)] |= folders_in_use(path)
    TopologicalSorter(graph).prepare()  # an error names the cycle


def test_nothing_below_the_folder_airflow_imports_airflow() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in in_folders()
        if RANK[folder_of(path)] > RANK["airflow"] and any(name.split(".")[0] == "airflow" for name in imports(path))
    }
    assert found - MAY_IMPORT_AIRFLOW == set()

"""Module paths and file paths that exist only as text lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

from gmail_warmup.core.metrics import METRICS, PREFIX
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.models import Base

ROOT = Path(__file__).parents[1]
INCLUDE = ROOT / "include"
FOLDERS = ("include", "dags", "plugins", "scripts", "tests")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.parent.name != "versions")
"""Without the migrations, which keep the names of their time."""

FILES = ("*.md", "*.toml", "*.yaml", "*.yml", "Makefile", "Dockerfile", ".ci/run", "docs/*.md", "deploy/**/*.yaml")
TEXTS = sorted({path for pattern in FILES for path in ROOT.glob(pattern)} - {ROOT / "CHANGELOG.md"})

DOTTED = re.compile(r"(?<![\w/.@-])gmail_(?:warmup|embedded|sandbox)(?:\.[A-Za-z_]\w*)+(?::\w+)?")
FILE = re.compile(r"(?<![\w/.<>{}*$%-])((?:[\w-]+/)+[\w-]+\.(?:py|md|yaml|toml|sql|html))(?:::(\w+))?")
SQL_FUNCTIONS = re.findall(rf"FUNCTION {SCHEMA}\.(\w+)", (INCLUDE / "gmail_warmup/db/sql_functions.py").read_text())
SAME_LOOK = (
    {str(table) for table in Base.metadata.tables}
    | {f"{SCHEMA}.{name}" for name in SQL_FUNCTIONS}
    | {f"{PREFIX}.{metric.name}" for metric in METRICS}
)
"""Names of tables, SQL functions and metrics, which look like module paths."""

OTHER_NAMES = {
    "gmail_sandbox.transport": "a key in the scope of an ASGI request",
    "gmail_warmup.callback": "a key in the scope of an ASGI request",
    "gmail_warmup.test": "a logger of a test",
    "tests/chaos/test_x.py": "a test that a report of the tests is made of",
}


def is_path(name: str) -> bool:
    """Return whether a dotted name is meant as a path into a package."""
    of_a_file = name.endswith((".py", ".dump", ".log"))
    return not of_a_file and not {name, name.rpartition(".")[0]} & SAME_LOOK and name not in OTHER_NAMES


def paths_in(path: Path) -> Iterator[str]:
    """Yield the dotted paths of a file: in code those that are a whole string, otherwise wherever they are."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from filter(is_path, DOTTED.findall(text))
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.value


def test_paths_are_found() -> None:
    found = {name for path in CODE + TEXTS for name in paths_in(path)}
    assert {
        "gmail_warmup.core.errors.ConfigurationError",  # the retry policy
        "gmail_warmup.airflow.tasks.warmup",  # the preload
        "gmail_warmup.db.manager.GmailWarmupDBManager",  # what Airflow learns about the package
        "gmail_warmup.airflow.provider_info:get_provider_info",  # the entry points
        "gmail_warmup.preload",  # the workers in docker-compose.yaml
    } <= found


def test_every_dotted_path_resolves() -> None:
    broken = []
    for path in CODE + TEXTS:
        for name in sorted(set(filter(is_path, paths_in(path)))):
            try:
                resolve_name(name)
            except (ImportError, AttributeError) as error:
                broken.append(f"{path.relative_to(ROOT)}: {name}: {error}")
    assert not broken, "\n".join(broken)


def test_every_file_that_is_named_exists() -> None:
    folders = (ROOT, INCLUDE, INCLUDE / "gmail_warmup", INCLUDE / "gmail_embedded", ROOT / "tests")
    broken = []
    for path in CODE + TEXTS:
        for name, test in FILE.findall(path.read_text()):
            if name in OTHER_NAMES:
                continue
            found = [folder / name for folder in (*folders, path.parent) if (folder / name).exists()]
            if not found or (test and f"def {test}(" not in found[0].read_text()):
                broken.append(f"{path.relative_to(ROOT)}: {name}{test and '::' + test}")
    assert not broken, "\n".join(broken)

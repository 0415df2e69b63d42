"""The example DAGs of the documentation load, and the Python reference names every class for other DAGs."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import BaseHook, BaseNotifier, BaseOperator, BaseOperatorLink

import gmail_warmup.airflow
import gmail_warmup.airflow.mail

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import docs_parts  # noqa: E402

PACKAGES = (gmail_warmup.airflow, gmail_warmup.airflow.mail)
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_and_is_shown(path: Path):
    bag = DagBag(path)
    assert (bag.import_errors, list(bag.dags)) == ({}, [path.stem])
    assert f"<!-- generated: example {path.stem} -->" in (ROOT / "docs" / "python.md").read_text()


def test_the_reference_has_every_class_that_airflow_or_another_dag_uses():
    found = set[str]()
    for module in (name for package in PACKAGES for name in _list_modules(package)):
        for value in vars(importlib.import_module(module)).values():
            if _is_public(value) and value.__module__ == module:
                found.add(f"{value.__module__}.{value.__name__}")
    assert found == set(docs_parts.PYTHON_CLASSES)


def _list_modules(package: ModuleType) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]


def _is_public(value: Any) -> bool:
    kinds = (BaseHook, BaseNotifier, BaseOperator, BaseOperatorLink)
    return isinstance(value, type) and issubclass(value, kinds) and not value.__name__.startswith("_")

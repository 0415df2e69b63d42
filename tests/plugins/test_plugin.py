"""The plugin is imported in every process of Airflow, tasks included: it must cost them nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "plugins" / "gmail_warmup_plugin.py"
LOOK = """
import importlib.util, json, sys
import airflow.plugins_manager  # every process has it already
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("gmail_warmup_plugin", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
plugin = module.GmailWarmupPlugin()
views = plugin.external_views
print(json.dumps({
    "imported": sorted(set(sys.modules) - before),
    "heavy": [name for name in sys.modules if f"{name}.".startswith(("fastapi.", "airflow.api_fastapi."))],
    "views": views,
}))
"""


def look(home: Path, **settings: str) -> dict[str, Any]:
    """Import the file in a fresh interpreter."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)} | settings
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(PLUGIN)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look(tmp_path_factory.mktemp("airflow"))


def test_it_imports_no_web_framework(found: dict[str, Any]):
    assert found["heavy"] == []
    assert set(found["imported"]) <= {
        "gmail_warmup",
        "gmail_warmup.airflow",
        "gmail_warmup.airflow.configuration",
        "gmail_warmup.airflow.preload",
        "gmail_warmup.core",
        "gmail_warmup.core.enums",
        "gmail_warmup.core.errors",
        "gmail_warmup.core.urls",
        "gmail_warmup.web",
        "gmail_warmup.web.plugin",
        "airflow.listeners",
        "airflow._shared.listeners",
    }


STATIC = PLUGIN.parents[1] / "include" / "gmail_warmup" / "web" / "static"


def test_it_is_one_entry_of_the_menu_and_one_tab_that_survive_a_sub_path(found: dict[str, Any]):
    page, tab = found["views"]
    assert (page["name"], page["url_route"], page["destination"]) == ("Gmail accounts", "gmail-accounts", "nav")
    assert (tab["name"], tab["href"], tab["destination"]) == ("Gmail accounts", "gmail-warmup/dag/{DAG_ID}", "dag")
    assert tab["url_route"] != page["url_route"]  # Airflow drops a view whose route it knows already
    for view in (page, tab):
        for key in ("href", "icon", "icon_dark_mode"):
            assert not view[key].startswith(("/", "http"))
        assert (STATIC / Path(view["icon"]).name).is_file()
        assert (STATIC / Path(view["icon_dark_mode"]).name).is_file()


@pytest.mark.parametrize(("value", "tabs"), [("False", 0), ("no", 0), ("nonsense", 1)])
def test_the_tab_is_switched_by_a_setting(tmp_path: Path, value: str, tabs: int):
    views = look(tmp_path, AIRFLOW__GMAIL_WARMUP__DAG_TAB=value)["views"]
    assert [view["destination"] for view in views] == ["nav"] + ["dag"] * tabs

"""The plugin file is imported in every process of Airflow, tasks included: it must cost them nothing."""

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
import importlib.util, json, sys, time
import airflow.plugins_manager  # every process has it already
before = set(sys.modules)
began = time.perf_counter()
spec = importlib.util.spec_from_file_location("gmail_warmup_plugin", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
plugin = module.GmailWarmupPlugin()
views = plugin.external_views
print(json.dumps({
    "seconds": time.perf_counter() - began,
    "imported": sorted(set(sys.modules) - before),
    "heavy": [name for name in sys.modules if f"{name}.".startswith(("fastapi.", "airflow.api_fastapi."))],
    "views": views,
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Import the file in a fresh interpreter."""
    home = str(tmp_path_factory.mktemp("airflow"))
    environment = {"PATH": os.environ["PATH"], "HOME": home, "AIRFLOW_HOME": home}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(PLUGIN)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_imports_no_web_framework(found: dict[str, Any]):
    assert found["heavy"] == []
    assert found["imported"] == []


def test_it_takes_no_time(found: dict[str, Any]):
    assert found["seconds"] < 0.05


def test_it_is_one_entry_of_the_menu_that_survives_a_sub_path(found: dict[str, Any]):
    (view,) = found["views"]
    assert (view["name"], view["url_route"], view["destination"]) == ("Gmail accounts", "gmail-accounts", "nav")
    for key in ("href", "icon", "icon_dark_mode"):
        assert not view[key].startswith(("/", "http"))
    static = PLUGIN.parents[1] / "include" / "gmail_warmup" / "web" / "static"
    assert (static / Path(view["icon"]).name).is_file()
    assert (static / Path(view["icon_dark_mode"]).name).is_file()

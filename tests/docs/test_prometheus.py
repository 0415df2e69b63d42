"""Prometheus accepts the alert rules, and they fire and stop as their own tests say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"


@pytest.mark.e2e
@pytest.mark.parametrize(("command", "file"), [("check", "alerts.yaml"), ("test", "alerts-test.yaml")])
def test_the_alert_rules_pass(command: str, file: str) -> None:
    done = subprocess.run(["promtool", command, "rules", file], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

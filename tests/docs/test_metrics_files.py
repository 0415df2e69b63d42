"""Mapping, alert rules, dashboard and docs use exactly the metrics that the code sends."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gmail_warmup.core.metrics import METRICS, Metric, MetricKind

CHECKOUT = Path(__file__).parents[2]
RULES = yaml.safe_load((CHECKOUT / "deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
RULE_TESTS = yaml.safe_load((CHECKOUT / "deploy/prometheus/alerts-test.yaml").read_text())["tests"]
DASHBOARD = json.loads((CHECKOUT / "deploy/grafana/gmail-warmup.json").read_text())
DOCS = (CHECKOUT / "docs/metrics.md").read_text()
BY_NAME = {metric.prometheus_name: metric for metric in METRICS}
ALERTS = [rule["alert"] for rule in RULES]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {
    panel["title"]: target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
}
OWN_LABELS = {"le", "job", "instance"}


@pytest.fixture(scope="module")
def written() -> ModuleType:
    """Return the module that generates the files."""
    spec = importlib.util.spec_from_file_location("metrics_files", CHECKOUT / "scripts" / "metrics_files.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_generated_is_up_to_date(written: ModuleType):
    remedy = "run: .venv/bin/python scripts/metrics_files.py"
    assert written.MAPPING.read_text() == written.mapping(), remedy
    assert written.page(DOCS) == DOCS, remedy


def test_the_mapping_gives_every_series_its_name_and_label(written: ModuleType):
    rules = yaml.safe_load(written.mapping())["mappings"]
    for metric in METRICS:
        for part in metric.label_values or ("",):
            sent = f"airflow.{metric.series_name(part)}".split(".")
            fitting = [rule for rule in rules if _fits(rule["match"].split("."), sent)]
            assert [rule["name"] for rule in fitting] == [metric.prometheus_name]
            assert list(fitting[0].get("labels", {}).items()) == ([(metric.label, "$2")] if part else [])


def _fits(pattern: list[str], name: list[str]) -> bool:
    return len(pattern) == len(name) and all(a in ("*", b) for a, b in zip(pattern, name, strict=True))


def _used(expression: str) -> Iterator[tuple[str, str]]:
    """Yield each metric of an expression with its label matchers."""
    yield from re.findall(r"(gmail_warmup\w+)(?:\{([^}]*)\})?", expression)


def _metric(name: str) -> Metric:
    found = BY_NAME.get(name) or BY_NAME[re.sub(r"_(bucket|sum|count)$", "", name)]
    assert (found.kind is MetricKind.TIMER) == (found.prometheus_name != name), name
    return found


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_an_expression_uses_metrics_labels_and_values_that_there_are(title: str):
    used = list(_used(EXPRESSIONS[title]))
    assert used
    for name, braces in used:
        metric = _metric(name)
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]+)"', braces):
            assert label == metric.label
            assert set(values.split("|")) <= set(metric.label_values)
    grouped = re.findall(r"by \(([^)]+)\)", EXPRESSIONS[title])
    assert set(grouped) <= {_metric(name).label for name, _ in used} | OWN_LABELS


def test_each_alert_has_a_runbook_in_the_docs_and_a_test():
    sections = re.findall(r"^### (\w+)$", DOCS, re.MULTILINE)
    assert sections == ALERTS
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/metrics.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
    fired = {case["alertname"] for test in RULE_TESTS for case in test["alert_rule_test"] if case["exp_alerts"]}
    silent = {case["alertname"] for test in RULE_TESTS for case in test["alert_rule_test"] if not case["exp_alerts"]}
    assert fired == set(ALERTS)
    assert silent >= set(ALERTS) - {"GmailWarmupBreakerOpen", "GmailWarmupGrantsUnreadable"}


def test_every_metric_is_seen_in_the_dashboard_or_an_alert():
    seen = {_metric(name).name for expression in EXPRESSIONS.values() for name, _ in _used(expression)}
    assert {metric.name for metric in METRICS} - seen == set()

"""Write what is made from the table of metrics: the statsd_exporter's mapping, and the table in docs/metrics.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gmail_warmup.core.metrics import METRICS, PREFIX, Metric, MetricKind

CHECKOUT = Path(__file__).resolve().parents[1]
MAPPING = CHECKOUT / "deploy" / "prometheus" / "statsd-mapping.yaml"
DOCS = CHECKOUT / "docs" / "metrics.md"
BEGIN, END = "<!-- the table of metrics: scripts/metrics_files.py writes it -->\n", "<!-- the end of the table -->\n"

_HEAD = """\
# Mapping of the statsd_exporter: names of gmail-warmup as Prometheus wants them, what tells series apart as a label.
# Made by scripts/metrics_files.py from include/gmail_warmup/core/metrics.py. The first * is [metrics] statsd_prefix.
mappings:
"""
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45)


def mapping() -> str:
    """Return the mapping, a rule for each metric."""
    return _HEAD + "\n".join(line for metric in METRICS for line in _rule(metric)) + "\n"


def _rule(metric: Metric) -> Iterator[str]:
    kind = "observer" if metric.kind is MetricKind.TIMER else metric.kind.value
    yield f'  - match: "*.{PREFIX}.{metric.name}{".*" if metric.label_values else ""}"'
    yield f"    match_metric_type: {kind}"
    yield f"    name: {metric.prometheus_name}"
    yield f'    help: "{metric.description}"'
    if metric.label_values:
        yield f'    labels: {{{metric.label}: "$2"}}'
    if metric.kind is MetricKind.TIMER:
        yield "    observer_type: histogram"
        yield f"    histogram_options: {{buckets: [{', '.join(map(str, _BUCKETS))}]}}"


def table() -> str:
    """Return the table of the docs."""
    lines = ["| name | kind | in Prometheus | what it says |", "| --- | --- | --- | --- |"]
    for metric in METRICS:
        label = f"{{{metric.label}}}" if metric.label else ""
        parts = (
            f" `{metric.label}`: {', '.join(f'`{part}`' for part in metric.label_values)}."
            if metric.label_values
            else ""
        )
        name = f"{PREFIX}.{metric.name}" + (f".<{metric.label}>" if metric.label_values else "")
        lines.append(f"| `{name}` | {metric.kind} | `{metric.prometheus_name}{label}` | {metric.description}{parts} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with its table as the code has it now."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Write both."""
    MAPPING.write_text(mapping(), encoding="utf-8")
    DOCS.write_text(page(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

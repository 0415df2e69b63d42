"""Airflow's side of the metrics: sent with its own statistics, to wherever its section [metrics] says.

That is StatsD, Datadog or OpenTelemetry; where none is switched on, nothing is imported and nothing is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gmail_warmup.core.metrics import NULL_METER, Meter, Metric

log = logging.getLogger(__name__)

_ENABLING_OPTIONS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


class AirflowMeter:
    """Send metrics by Airflow's statistics, as the task process has set them up."""

    is_enabled = True

    def __init__(self) -> None:
        from airflow.sdk.observability import stats

        self._stats, self._failed = stats, False

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Add to a counter."""
        self._send_safely(lambda: self._stats.incr(metric.series_name(part), number))

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Say how a gauge stands."""
        self._send_safely(lambda: self._stats.gauge(metric.series_name(part), value))

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Note how long something took; Airflow's statistics take milliseconds."""
        self._send_safely(lambda: self._stats.timing(metric.series_name(), seconds * 1000))

    def _send_safely(self, send: Callable[[], Any]) -> None:
        """Send, and never fail a task for it; that nothing leaves is said once in its log."""
        try:
            send()
        except Exception as error:
            if not self._failed:
                log.warning("Metrics cannot be sent: %s: %s", type(error).__name__, error)
            self._failed = True


def create_meter() -> Meter:
    """Return what sends metrics, or what does nothing where Airflow's are switched off."""
    from airflow.sdk.configuration import conf

    on = any(conf.getboolean("metrics", switch, fallback=False) for switch in _ENABLING_OPTIONS)
    return AirflowMeter() if on else NULL_METER

"""Send metrics with Airflow's statistics, to StatsD, Datadog or OpenTelemetry as its section [metrics] configures.

If none of them is switched on, nothing is imported and nothing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gmail_warmup.core.metrics import NULL_METER, Meter, Metric

log = logging.getLogger(__name__)

_ENABLING_OPTIONS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


class AirflowMeter:
    """Sends metrics with Airflow's statistics, as configured in the task process."""

    is_enabled = True

    def __init__(self) -> None:
        from airflow.sdk.observability import stats

        self._stats, self._failed = stats, False

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        """Add to a counter."""
        self._send_safely(lambda: self._stats.incr(metric.series_name(part), number))

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        """Set a gauge."""
        self._send_safely(lambda: self._stats.gauge(metric.series_name(part), value))

    def record_duration(self, metric: Metric, seconds: float) -> None:
        """Record a duration; Airflow's statistics expect milliseconds."""
        self._send_safely(lambda: self._stats.timing(metric.series_name(), seconds * 1000))

    def _send_safely(self, send: Callable[[], Any]) -> None:
        """Send a metric. A failure is logged once per task and never fails it."""
        try:
            send()
        except Exception as error:
            if not self._failed:
                log.warning("Metrics cannot be sent: %s: %s", type(error).__name__, error)
            self._failed = True


def create_meter() -> Meter:
    """Return a meter, which sends nothing if Airflow's metrics are switched off."""
    from airflow.sdk.configuration import conf

    is_enabled = any(conf.getboolean("metrics", option, fallback=False) for option in _ENABLING_OPTIONS)
    return AirflowMeter() if is_enabled else NULL_METER

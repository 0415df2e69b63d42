"""Receivers of metrics for tests: a meter in memory, a StatsD server and an OpenTelemetry collector."""

from __future__ import annotations

import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gmail_warmup.core.metrics import Metric


@dataclass
class KeptMeter:
    """Store measurements by the name of their series; an undefined metric is an error."""

    is_enabled: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def increment_counter(self, metric: Metric, part: str = "", number: int = 1) -> None:
        self.counts[metric.series_name(part)] += number

    def set_gauge(self, metric: Metric, value: float, part: str = "") -> None:
        self.gauges[metric.series_name(part)] = value

    def record_duration(self, metric: Metric, seconds: float) -> None:
        self.times[metric.series_name()].append(seconds)


@dataclass
class StatsD:
    """The metrics that a StatsD server received, by name without Airflow's prefix."""

    port: int
    counts: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, packet: str) -> None:
        """Take a packet: lines of the form name:value|kind."""
        for line in packet.splitlines():
            name, _, rest = line.removeprefix("airflow.").partition(":")
            value, kind = rest.split("|")[:2]
            if kind == "c":
                self.counts[name] += int(value)
            elif kind == "g":
                self.gauges[name] = float(value)
            else:
                self.times[name].append(float(value))

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which Airflow sends its metrics here."""
        section = {"statsd_on": "True", "statsd_host": "127.0.0.1", "statsd_port": str(self.port)}
        return {f"AIRFLOW__METRICS__{name.upper()}": value for name, value in section.items()}


@contextmanager
def listening() -> Iterator[StatsD]:
    """Listen for the packets of StatsD."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        found = StatsD(port=port)

        def receive() -> None:
            while packet := server.recv(65536):
                found.take(packet.decode())

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        yield found
        server.sendto(b"", ("127.0.0.1", port))
        thread.join(timeout=5)


@dataclass
class Collector:
    """What a collector of OpenTelemetry received, as it came."""

    port: int
    received: bytes = b""


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen for OpenTelemetry's metrics, which come by HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.received += self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(port=server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()

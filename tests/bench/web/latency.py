"""How long the server takes for overview, statistics, readiness and list, beside Airflow's own list of DAGs."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from bench.web.crowd import RARE
from gmail_warmup.web.queries.sorting import Cursor, Order
from web.kit import API, LIST, MOUNT, Site

ROUNDS, WARM_UP = 25, 3
YARDSTICK = "/api/v2/dags"
_COMMON_DOMAIN, _OTHER_DOMAIN = "team0.example", "team89.example"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request that is timed."""

    group: str
    path: str


def _page(group: str, **query: str) -> Case:
    return Case(group=group, path=f"{LIST}?{urlencode(query)}")


def _deep() -> str:
    return str(Cursor(order=Order.ADDRESS, segment=0, key=None, tiebreaker="frank.5"))


def cases() -> Iterator[Case]:
    """Yield every request of one round."""
    yield _page("list")
    yield _page("list", after=_deep())
    yield _page("list", before=_deep())
    yield _page("list", size="100")
    yield Case(group="list", path=f"{API}/mailboxes")
    for order in Order:
        yield _page("list", sort=order)
    for state in (
        "valid",
        "needs_reauth",
        "blocked",
        "suspect",
        "expiring",
        "paused",
        "throttled",
        "health_paused",
        "health_blocked",
    ):
        yield _page("filter", state=state)
    for kind in ("warmup", "pool"):
        yield _page("filter", kind=kind)
    yield _page("filter", domain=_COMMON_DOMAIN)
    yield _page("filter", domain=_OTHER_DOMAIN)
    yield _page("filter", state="valid", kind="pool")
    yield _page("filter", state="needs_reauth", kind="warmup", domain=_COMMON_DOMAIN)
    yield _page("filter", state="blocked", sort="-since")
    yield _page("filter", state="throttled", domain=_OTHER_DOMAIN)
    yield _page("filter", state="health_paused", sort="-since")
    yield _page("search", q="team0")
    yield _page("search", q="a")
    yield _page("search", q="person number 77")
    yield _page("search", q=RARE)
    yield _page("search", q="nobody-has-this")
    yield _page("search", q=RARE, state="needs_reauth")
    yield _page("search", q="grace", sort="attention")

    for period in ("today", "30", "90"):
        yield _overview(period=period)
    yield _overview(period="90", kind="warmup")
    yield _overview(period="90", domain=_COMMON_DOMAIN)
    yield _overview(period="30", domain=_OTHER_DOMAIN, kind="warmup")
    yield Case(group="overview", path=f"{API}/overview")
    for query in ({"limit": 50}, {"limit": 50, "readiness": "ready"}, {"limit": 50, "domain": _COMMON_DOMAIN}):
        yield Case(group="readiness", path=f"{API}/readiness?{urlencode(query)}")
    yield Case(group="statistics", path=f"{API}/statistics")
    yield Case(group="statistics", path=f"{API}/statistics?days=90")


def _overview(**query: str) -> Case:
    return Case(group="overview", path=f"{MOUNT}/?{urlencode(query)}")


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Milliseconds of each request, by its path."""

    of_path: dict[str, list[float]]

    def p95(self, group: str) -> float:
        """Return the 95th percentile over all requests of a group."""
        paths = {case.path for case in cases() if case.group == group} or {group}
        return _p95([value for path in paths for value in self.of_path[path]])

    def slowest(self, group: str) -> tuple[str, float]:
        """Return the request of a group with the highest 95th percentile of its own."""
        paths = {case.path for case in cases() if case.group == group}
        return max(((path, _p95(self.of_path[path])) for path in paths), key=lambda item: item[1])


def measure(site: Site) -> Latencies:
    """Send every request again and again, one at a time, and the yardstick after each third one."""
    found: dict[str, list[float]] = defaultdict(list)
    with site.browser() as browser:
        for number in range(ROUNDS + WARM_UP):
            for place, case in enumerate(cases()):
                paths = [case.path, YARDSTICK] if place % 3 == 0 else [case.path]
                for path in paths:
                    taken = _timed(browser, path)
                    if number >= WARM_UP:
                        found[path].append(taken)
    return Latencies(of_path=dict(found))


def _timed(browser: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = browser.get(path)
    taken = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return taken


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]

"""The bench of the page: how quick overview and list are with fifty thousand mailboxes, and how heavy."""

from __future__ import annotations

from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, at_least, at_most, exactly
from bench.web.crowd import MAILBOXES
from bench.web.installation import DAGS, installation
from bench.web.latency import YARDSTICK, Latencies, measure
from bench.web.weight import Weight, weigh
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.readiness.store import update_readiness
from gmail_warmup.warmup.reporting.refresh import refresh_overview

BUDGET_KB, OVERVIEW_KB = 250, 300
_BUDGETS_MS = {"overview": 100, "statistics": 100, "readiness": 50, "list": 100, "filter": 100, "search": 100}
"""Milliseconds that a request of each group may take, at the 95th percentile."""


def _pages(ground: Ground, say: Say) -> list[Figure]:
    with installation(ground) as site:
        update_readiness(site.engine, Settings())
        refresh_overview(site.engine, Settings())  # the overview reads the sums of the readiness
        (counted,) = site.sql("SELECT count(*) AS mailboxes FROM gmail_warmup.mailbox")
        say("the crowd is there")
        took = measure(site)
        weights = weigh(site)
    for group in _BUDGETS_MS:
        path, slowest = took.slowest(group)
        say(f"slowest of {group}: {slowest:.0f} ms at the 95th percentile for {path}")
    mailboxes = Figure(label="mailboxes", value=counted["mailboxes"], target=at_least(MAILBOXES), key="mailboxes")
    return [mailboxes, *_latencies(took), *_weights(weights)]


def _latencies(took: Latencies) -> list[Figure]:
    ours = [
        Figure(
            label=f"{group}, 95th percentile",
            value=took.p95(group),
            unit="ms",
            target=at_most(budget),
            key=f"{group}_p95_ms",
        )
        for group, budget in _BUDGETS_MS.items()
    ]
    label = f"  Airflow's own list of {DAGS} DAGs"
    return [*ours, Figure(label=label, value=took.p95(YARDSTICK), unit="ms", key="airflow_dags_p95_ms")]


def _weights(weights: list[Weight]) -> list[Figure]:
    overview, *others = weights
    heaviest = max(others, key=lambda weight: weight.kilobytes)
    each = [Figure(label=f"  {weight.path}", value=weight.kilobytes, unit="kB") for weight in weights]
    foreign = sum(weight.foreign for weight in weights)
    return [
        Figure(
            label="the overview", value=overview.kilobytes, unit="kB", target=at_most(OVERVIEW_KB), key="overview_kb"
        ),
        Figure(
            label="the heaviest other page",
            value=heaviest.kilobytes,
            unit="kB",
            target=at_most(BUDGET_KB),
            key="page_kb",
        ),
        *each,
        Figure(label="requests to other hosts", value=foreign, target=exactly(0), key="foreign_requests"),
    ]


WEB = Bench(
    title="The page",
    parts=[Part(name="pages", title=f"{MAILBOXES:,} mailboxes with a year of days", run=_pages)],
    keys=[
        "mailboxes",
        "overview_p95_ms",
        "statistics_p95_ms",
        "readiness_p95_ms",
        "list_p95_ms",
        "filter_p95_ms",
        "search_p95_ms",
        "airflow_dags_p95_ms",
        "overview_kb",
        "page_kb",
        "foreign_requests",
    ],
)

"""The bench of the page: how quick the list is with fifty thousand mailboxes, and how heavy."""

from __future__ import annotations

from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, at_least, at_most, exactly
from bench.web.crowd import MAILBOXES
from bench.web.installation import DAGS, installation
from bench.web.latency import YARDSTICK, Latencies, measure
from bench.web.weight import Weight, weigh

BUDGET_MS, BUDGET_KB = 100, 250


def _pages(ground: Ground, say: Say) -> list[Figure]:
    with installation(ground) as site:
        (counted,) = site.sql("SELECT count(*) AS mailboxes FROM gmail_warmup.mailbox")
        say("the crowd is there")
        took = measure(site)
        weights = weigh(site)
    for group in ("list", "filter", "search"):
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
            target=at_most(BUDGET_MS),
            key=f"{group}_p95_ms",
        )
        for group in ("list", "filter", "search")
    ]
    label = f"  Airflow's own list of {DAGS} DAGs"
    return [*ours, Figure(label=label, value=took.p95(YARDSTICK), unit="ms", key="airflow_dags_p95_ms")]


def _weights(weights: list[Weight]) -> list[Figure]:
    heaviest = max(weights, key=lambda weight: weight.kilobytes)
    each = [Figure(label=f"  {weight.path}", value=weight.kilobytes, unit="kB") for weight in weights]
    foreign = sum(weight.foreign for weight in weights)
    return [
        Figure(
            label="the heaviest page", value=heaviest.kilobytes, unit="kB", target=at_most(BUDGET_KB), key="page_kb"
        ),
        *each,
        Figure(label="requests to other hosts", value=foreign, target=exactly(0), key="foreign_requests"),
    ]


WEB = Bench(
    title="The page",
    parts=[Part(name="pages", title=f"The list of {MAILBOXES:,} mailboxes", run=_pages)],
    keys=[
        "mailboxes",
        "list_p95_ms",
        "filter_p95_ms",
        "search_p95_ms",
        "airflow_dags_p95_ms",
        "page_kb",
        "foreign_requests",
    ],
)

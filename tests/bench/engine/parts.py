"""The bench of the warmup engine, part by part: what each one measures, and what it has to come to."""

from __future__ import annotations

import statistics
import time

import sqlalchemy as sa

from bench.capacity.reckoning import MAILS, estimate_tasks_a_day
from bench.engine.due import measure_due
from bench.engine.simulation import DAYS, POOL, SHARDS, WARMUP, scripts, simulate
from bench.engine.visits import find_p95, simulate_visits, write_script
from bench.ground import Ground
from bench.report import Bench, Figure, Part, Say, at_most, exactly

MAILBOXES, LEDGER_ROWS = 50_000, 2_000_000
RUN_DATA, VISIT_DATA = "simulation.json", "visits.json"
"""What the pictures are drawn from, in the folder of the bench."""


def _simulation(ground: Ground, say: Say) -> list[Figure]:
    began, parts = time.monotonic(), scripts(shards=SHARDS, warmup=WARMUP, pool=POOL, days=DAYS)
    came = simulate(ground, parts)
    seconds = time.monotonic() - began
    data = ground.folder.root / RUN_DATA
    data.write_text(came.as_json(parts[0]), encoding="utf-8")
    say(f"draw it with: scripts/draw_simulation.py {data} docs/images/simulation.svg")
    return [
        Figure(label="simulated days", value=DAYS, key="days"),
        Figure(label="  warmup mailboxes", value=WARMUP, key="warmup"),
        Figure(label="  pool mailboxes", value=POOL, key="pool"),
        Figure(label="  mails, answers included", value=came.mails, key="mails"),
        Figure(label="mails sent twice", value=came.duplicates, target=exactly(0), key="duplicates"),
        Figure(label="mails lost on their way", value=came.lost, target=exactly(0), key="lost"),
        Figure(label="mails outside of hours", value=came.outside_hours, target=exactly(0), key="outside_hours"),
        Figure(
            label="subjects and texts that a pair had before",
            value=came.repeated_texts,
            target=exactly(0),
            key="repeated_texts",
        ),
        Figure(label="mails that the ramp asks for", value=came.planned),
        Figure(label="  sent more or fewer", value=came.volume_error, target=exactly(0), key="volume_error"),
        Figure(
            label="open rate of a sender away from its setting, at most",
            value=came.open_rate_error,
            unit="points",
            target=at_most(1),
            key="open_rate_error_points",
        ),
        Figure(
            label="reply rate of a sender away from its setting, at most",
            value=came.reply_rate_error,
            unit="points",
            target=at_most(1),
            key="reply_rate_error_points",
        ),
        Figure(
            label="until the last mailbox of a domain gone to spam is slowed",
            value=came.throttled_after,
            unit="days",
            target=at_most(7),
            key="throttled_after_days",
        ),
        Figure(
            label="  and is paused", value=came.paused_after, unit="days", target=at_most(7), key="paused_after_days"
        ),
        Figure(
            label="other mailboxes slowed or paused",
            value=came.innocent_throttled,
            target=exactly(0),
            key="innocent_throttled",
        ),
        Figure(
            label="ready in spam, or not ready in time", value=came.ready_wrong, target=exactly(0), key="ready_wrong"
        ),
        Figure(
            label="largest growth of a ready mailbox in a day, cold mail included",
            value=came.largest_jump,
            unit="%",
            target=at_most(40),
            key="largest_jump_percent",
        ),
        Figure(label="time of the simulation", value=seconds, unit="s", key="seconds"),
    ]


def _visits(ground: Ground, say: Say) -> list[Figure]:
    script = write_script()
    visits = simulate_visits(ground, script)
    count = visits.count_by_action()
    each = {name: round(number / visits.warmup / visits.days, 1) for name, number in sorted(count.items())}
    say(f"tasks a day for each warmup mailbox: {each}")
    data = ground.folder.root / VISIT_DATA
    data.write_text(visits.as_json(), encoding="utf-8")
    say(f"draw it with: scripts/draw_sessions.py scripts/day_without_sessions.json {data} docs/images/sessions.svg")
    simulated, estimated = visits.tasks_a_day, estimate_tasks_a_day()
    return [
        Figure(
            label=f"sessions of a pool mailbox with work, at {len(script.players)} busy mailboxes",
            value=visits.sessions_a_day,
            unit="a day",
            key="sessions_a_day",
        ),
        Figure(
            label=f"tasks of a warmup mailbox at {MAILS} mails a day",
            value=simulated,
            unit="a day",
            target=at_most(90),
            key="tasks_a_day_simulated",
        ),
        Figure(
            label="  away from the estimate of the capacity bench",
            value=100 * abs(estimated / simulated - 1),
            unit="%",
            target=at_most(10),
        ),
        Figure(label="  outside of the sessions of their mailbox", value=visits.outside_sessions, target=exactly(0)),
        Figure(
            label="from opening a mail to its reply, median",
            value=statistics.median(visits.reply_minutes),
            unit="min",
            key="reply_delay_median_minutes",
        ),
        Figure(
            label="from sending a mail to its placement, 95th percentile",
            value=find_p95(visits.placed_minutes),
            unit="min",
            target=at_most(60),
            key="placement_known_minutes_p95",
        ),
    ]


def _due(ground: Ground, say: Say) -> list[Figure]:
    ground.fresh()
    engine = sa.create_engine(ground.place().database_url, hide_parameters=True)
    try:
        times = measure_due(engine, mailboxes=MAILBOXES, ledger_rows=LEDGER_ROWS)
    finally:
        engine.dispose()
        ground.fresh()
    say(str(times))
    return [
        Figure(
            label="what is due for 50,000 mailboxes, 95th percentile",
            value=times.p95,
            unit="ms",
            target=at_most(300),
            key="due_p95_ms",
        )
    ]


ENGINE = Bench(
    title="Warmup engine",
    parts=(
        Part(name="simulation", title="60 days of 200 warmup and 60 pool mailboxes", run=_simulation),
        Part(name="visits", title="3 working days of 10 warmup and 8 pool mailboxes at 40 mails a day", run=_visits),
        Part(name="due", title="what is due for 50,000 mailboxes with a ledger of 2,000,000 rows", run=_due),
    ),
    keys=(
        "days", "warmup", "pool", "mails", "duplicates", "lost", "outside_hours", "repeated_texts", "volume_error",
        "open_rate_error_points", "reply_rate_error_points", "throttled_after_days", "paused_after_days",
        "innocent_throttled", "ready_wrong", "largest_jump_percent", "due_p95_ms", "seconds", "sessions_a_day",
        "tasks_a_day_simulated", "reply_delay_median_minutes", "placement_known_minutes_p95",
    ),
)  # fmt: skip

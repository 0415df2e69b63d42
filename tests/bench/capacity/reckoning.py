"""From what one task and one mail cost to what a whole installation needs; arithmetic, with every assumption named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

MAILS = 40
"""First mails of a warmup mailbox a day, ``ramp_cap`` unless set."""
OPENED, ANSWERED = 0.8, 0.55
"""Open and reply rate unless set."""
POOL_MAILS = 50
"""``pool_daily_cap`` unless set: so many pool mailboxes are needed that it is just enough."""
HOURS = (0.15, 0.15, 0.10, 0.05, 0.05, 0.15, 0.15, 0.10, 0.10)
"""Shares of a day's mails by the hour, from 09:00 on: what ``warmup.plan`` gives peak, normal and lunch hours."""
RUNS_AN_HOUR = 6
SESSIONS_AN_HOUR = 2
"""Sessions of a mailbox in its sending hours, ``session_interval`` unless set."""
EVENING_SESSIONS = 3
"""Sessions after the sending hours, ``off_hours_session_interval`` unless set."""
LOAD = 0.7
"""The share of a core that is planned with: above it queues grow faster than the work."""
AUDIT_AND_MARGIN = 2
"""Token requests a day beside one for each hour in which a mailbox is worked in."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured.

    Attributes:
        cpu_per_task: seconds of a core for a mapped task of gmail_warmup, Airflow and database included.
        scheduler_per_task: of them the scheduler's, which one process has to do.
        units_per_mail: of Google's quota, for a first mail and all that follows from it.
        airflow_rows_per_task: rows in Airflow's own tables.
        airflow_bytes_per_task: what those tables and their indexes grow by.
        ledger_bytes, history_bytes: of one mail with all indexes.
    """

    cpu_per_task: float
    scheduler_per_task: float
    units_per_mail: float
    airflow_rows_per_task: float
    airflow_bytes_per_task: float
    ledger_bytes: float
    history_bytes: float


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a number of warmup mailboxes needs, with the pool that they need, all in one time zone."""

    mailboxes: int
    tasks_a_day: float
    tasks_a_second: float
    """In the busiest hour."""
    cores: float
    tasks_per_action_and_run: float
    """Of the action that has most, in the busiest hour: what ``max_map_length`` has to allow."""
    rows_a_day: float
    bytes_a_day: float
    airflow_rows_a_day: float
    airflow_bytes_a_day: float
    units_a_day: float
    units_a_minute: float
    """In the busiest hour."""
    token_requests_a_day: float


def tasks_in_an_hour(share: float) -> dict[str, float]:
    """Return the mapped tasks of one warmup mailbox and its share of the pool, by action, in an hour of a day's mails.

    A task does all that is due in its mailbox, so what falls into one session costs one task: of events that come by
    chance the share ``1 - exp(-n)`` of the sessions has one or more, where ``n`` come in a session on average. The task
    that finds mails opens them, and it searches for bounces.
    """
    pool = MAILS / POOL_MAILS
    sent, received = MAILS * share, POOL_MAILS * share
    return {
        "send": sent,  # a run sends one mail of a mailbox
        "rescue": pool * _sessions_with(received),
        "reply": pool * _sessions_with(received * ANSWERED),
        "collect": _sessions_with(sent * ANSWERED),
    }


def _sessions_with(events: float) -> float:
    return SESSIONS_AN_HOUR * (1 - math.exp(-events / SESSIONS_AN_HOUR))


def tasks_in_an_evening() -> dict[str, float]:
    """Return the mapped tasks, as above, after the sending hours: what the last mails of the day are followed by."""
    pool = MAILS / POOL_MAILS
    return {
        "rescue": pool,  # the mails of the last half hour are found in the next session
        "reply": pool * 2,  # and answered in that one and the next
        "collect": 2 + pool,  # the last replies, and a search for bounces in each mailbox that sent
    }


def estimate_tasks_a_day() -> float:
    """Return the mapped tasks of one warmup mailbox and its share of the pool on a day."""
    return sum(_total(tasks_in_an_hour(share)) for share in HOURS) + _total(tasks_in_an_evening())


def _total(tasks: Mapping[str, float]) -> float:
    return sum(tasks.values())


def mailboxes_per_core(measured: Measured) -> float:
    """Return how many warmup mailboxes one core serves in the busiest hour."""
    return 3600 * LOAD / (_total(tasks_in_an_hour(max(HOURS))) * measured.cpu_per_task)


def need(mailboxes: int, measured: Measured) -> Need:
    """Return what so many warmup mailboxes need."""
    busiest, mails = tasks_in_an_hour(max(HOURS)), mailboxes * MAILS
    tasks = mailboxes * estimate_tasks_a_day()
    rows = mails * (1 + ANSWERED)
    worked_in = mailboxes * (1 + MAILS / POOL_MAILS)
    return Need(
        mailboxes=mailboxes,
        tasks_a_day=tasks,
        tasks_a_second=mailboxes * _total(busiest) / 3600,
        cores=mailboxes / mailboxes_per_core(measured),
        tasks_per_action_and_run=mailboxes * max(busiest.values()) / RUNS_AN_HOUR,
        rows_a_day=rows + mailboxes,
        bytes_a_day=rows * measured.history_bytes,
        airflow_rows_a_day=tasks * measured.airflow_rows_per_task,
        airflow_bytes_a_day=tasks * measured.airflow_bytes_per_task,
        units_a_day=mails * measured.units_per_mail,
        units_a_minute=mails * max(HOURS) * measured.units_per_mail / 60,
        token_requests_a_day=worked_in * (len(HOURS) + EVENING_SESSIONS + AUDIT_AND_MARGIN),
    )

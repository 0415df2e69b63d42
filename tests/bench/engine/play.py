"""Play a script: what Airflow does every ten minutes, for all days one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from bench.engine.cast import Script
from bench.engine.readiness import ReadyDays, count_wrong, find_largest_jump, record_readiness
from bench.engine.reckoning import Reckoning, bands_now, reckon
from bench.engine.stage import Stage, TaskRun
from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import MayNotSendError
from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import LedgerEntry, Mailbox
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import due
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.world import World

SETTLING = timedelta(days=4)
"""How long after the last day what was begun is still gone on with: a night, a weekend, a reply."""

_DUE_TIMES = [
    column
    for table in (LedgerEntry.__table__, Mailbox.__table__)
    for column in table.columns
    if column.name.endswith("_due_at") or column.name in ("next_send_at", "deferred_until")
]


_NEXT_DUE = sa.select(
    sa.func.least(
        *(sa.select(sa.func.min(column)).where(column > sa.func.now()).scalar_subquery() for column in _DUE_TIMES)
    )
)


def play(world: World, *, database: str, script: Script) -> Reckoning:
    """Play a script in a database of its own, and reckon up what happened; a job for a worker process."""
    stage = Stage(world.store.engine.url.set(database=database), script)
    bands: dict[date, Counter[str]] = {}
    ready: ReadyDays = {}
    for today in run_days(stage):
        bands[today] = bands_now(stage)
        record_readiness(stage, ready)
    reckoning = reckon(stage, _of_every_day(script, bands))
    reckoning.ready_wrong = count_wrong(stage, ready)
    reckoning.largest_jump = find_largest_jump(ready)
    stage.engine.dispose()
    return reckoning


def run_days(stage: Stage) -> Iterator[date]:
    """Do what Airflow does, run by run, until nothing is left to do; yield each day when it has ended."""
    script, interval = stage.script, timedelta(seconds=stage.settings.run_interval)
    moment = script.start
    while moment < script.end + SETTLING:
        stage.set_clocks(moment)
        if moment >= script.sick_at:
            stage.let_spam_rise()
        busy = run(stage, *(action for action in Action if moment < script.end or action is not Action.SEND))
        today, moment = moment.date(), moment + interval
        if not busy:
            moment = max(moment, _on_grid(_next_due(stage), interval))
        if moment.date() > today < script.end.date():
            yield today


def _of_every_day(script: Script, bands: dict[date, Counter[str]]) -> dict[date, Counter[str]]:
    """Return the bands of every day; on one without a run they are those of the day before."""
    found: dict[date, Counter[str]] = {}
    for ahead in range(script.days):
        day = script.start.date() + timedelta(days=ahead)
        found[day] = bands.get(day) or found[day - timedelta(days=1)]
    return found


def _next_due(stage: Stage) -> datetime:
    """Return the earliest due time that lies ahead, of any kind; until then no run finds anything to do."""
    with autocommit(stage.engine) as connection:
        found: datetime | None = connection.scalar(_NEXT_DUE)
    return found or stage.script.end + SETTLING


def _on_grid(moment: datetime, interval: timedelta) -> datetime:
    """Return the first run at or after a moment."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + -(-(moment - epoch) // interval) * interval


_HINTED = sa.exists().where(
    Mailbox.kind == "warmup", sa.or_(Mailbox.next_send_at <= sa.func.now(), Mailbox.next_send_at.is_(None))
)
_ANYTHING = sa.select(
    sa.or_(_HINTED, sa.exists().where(ledger.UNSENT_FIRST)).label(Action.SEND),
    *(sa.union_all(*waiting).exists().label(action) for action, waiting in due.WAITING_QUERIES.items()),
)
"""Whether a row waits, by action; where none does, the plan finds nobody."""


def run(stage: Stage, *actions: Action) -> int:
    """Do what one run of the DAG does: plan, then a task per mailbox and action; return the number of tasks."""
    with autocommit(stage.engine) as connection:
        waits = connection.execute(_ANYTHING).one()._mapping
    tasks = 0
    for action in actions:
        if waits[action]:
            # Only the look at senders writes, and has to be one transaction.
            with stage.engine.begin() if action is Action.SEND else autocommit(stage.engine) as connection:
                addresses = find_due_mailboxes(connection, action, stage.settings)
            for address in addresses:
                act(stage, action, address)
            tasks += len(addresses)
    return tasks


def act(stage: Stage, action: Action, address: str) -> None:
    """Do what one task does."""
    stage.tasks.append(TaskRun(at=stage.moment, action=action, address=address))
    try:
        run_action(
            action,
            stage.mailbox(address),
            engine=stage.engine,
            settings=stage.settings,
            gmail=stage.gmail(address),
        )
    except MayNotSendError:
        pass  # a task that is skipped

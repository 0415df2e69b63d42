"""The queries that tasks and page make all the time: how long each takes, and how much of the database it reads."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.growth.past import PER_DAY, SENDERS, SETTINGS
from gmail_warmup.core.enums import Action
from gmail_warmup.db import clock
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.ledger import bounces, daily_counters, retention
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import daily_plan
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from gmail_warmup.warmup.planning.partners import find_partner
from gmail_warmup.warmup.reporting import mailbox_statistics, placement, totals
from gmail_warmup.web.queries import mails

Query = Callable[[sa.Connection, "Draw"], Any]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What one call is about, by chance: a mail with an answer, its sender and recipient, an old mail of the sender."""

    entry: ledger.Entry
    sender: Any
    recipient: Any
    old_id: int | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one call: milliseconds in the middle and at the 95th percentile, and blocks of the database that are read."""

    median: float
    p95: float
    blocks: float


def _due(connection: sa.Connection, draw: Draw) -> Any:
    return [find_due_mailboxes(connection, action, SETTINGS, limit=1001, remember=False) for action in Action]


def _claim(connection: sa.Connection, draw: Draw) -> Any:
    """Make the claim's own steps; the caller rolls back."""
    now, sender = clock.get_current_time(connection), draw.sender
    daily_plan.load_histories(connection, [sender.id])
    daily_counters.fix_daily_volume(
        connection, sender.id, now.date(), ramp=PER_DAY, planned=PER_DAY, reduction_reason=None
    )
    partner = find_partner(connection, sender, now=now, settings=SETTINGS, seed=str(random.random()))
    assert partner
    return ledger.claim_entry(
        connection, token=ledger.generate_token(), sender_id=sender.id, recipient_id=partner.id, local_date=now.date(),
        slot=1, due_at=now, subject="Notes",
    )  # fmt: skip


def _recipient(connection: sa.Connection, draw: Draw) -> Any:
    conditions = (ledger.UNPLACED, ledger.UNRESCUED, ledger.UNREAD, ledger.UNMARKED, ledger.UNANSWERED)
    return [ledger.find_pending_for_recipient(connection, draw.recipient.id, condition) for condition in conditions]


def _thread(connection: sa.Connection, draw: Draw) -> Any:
    """Find the answer to a mail, if there is one, and its thread; a first mail is one by itself, without a look."""
    answer = ledger.find_reply(connection, draw.entry.id)
    return ledger.load_thread(connection, answer) if answer else []


QUERIES: dict[str, Query] = {
    "what is due, five actions": _due,
    "a claim": _claim,
    "what is due for one recipient": _recipient,
    "a mail by its id": lambda connection, draw: ledger.get_entry(connection, draw.entry.id),
    "the reply to a mail": lambda connection, draw: ledger.find_reply(connection, draw.entry.id),
    "an answer and the mails of its thread": _thread,
    "a mail is read": lambda connection, draw: ledger.update_entry(connection, draw.entry.id, read_at=sa.func.now()),
    "where notices are looked for": lambda connection, draw: bounces.load_bounce_watch(
        connection, draw.sender.id, patience=timedelta(hours=1)
    ),
    "what goes to the trash": lambda connection, draw: retention.find_expired_mails(connection, draw.recipient.id),
    "placements of a sender": lambda connection, draw: placement.count_placements(
        connection, since=datetime.now(UTC) - timedelta(days=7), sender_ids=[draw.sender.id]
    ),
    "statistics of a sender": lambda connection, draw: mailbox_statistics.load_mailbox_statistics(
        connection, draw.sender.address, SETTINGS
    ),
    "statistics of all": lambda connection, draw: totals.load_total_statistics(connection),
    "mails on a sender's page": lambda connection, draw: mails.load_mails(connection, draw.sender),
    "mails on a recipient's page": lambda connection, draw: mails.load_mails(connection, draw.recipient),
    "the oldest mails on a sender's page": lambda connection, draw: mails.load_mails(
        connection, draw.sender, before=draw.old_id
    ),
}


def measure(engine: sa.Engine, *, rounds: int, oldest_days: int) -> dict[str, Cost]:
    """Measure every query on mails and mailboxes drawn by chance, the same ones in each run; nothing is kept."""
    rng = random.Random(7)
    with engine.connect() as connection:
        draws = [_draw(connection, rng, oldest_days) for _ in range(rounds)]
        connection.rollback()
        return {name: _cost(connection, query, draws) for name, query in QUERIES.items()}


def _draw(connection: sa.Connection, rng: random.Random, oldest_days: int) -> Draw:
    sender = repository.get_mailbox_by_id(connection, rng.randint(1, SENDERS))
    ids = connection.scalars(sa.select(L.id).where(L.sender_id == sender.id, L.replied_at.is_not(None)).limit(200))
    entry = ledger.get_entry(connection, rng.choice(ids.all()))
    at = datetime.now(UTC) - timedelta(days=oldest_days - 3)
    query = sa.text(
        "SELECT id FROM (SELECT id, sender_id, claimed_at FROM gmail_warmup.ledger UNION ALL"
        " SELECT id, sender_id, claimed_at FROM gmail_warmup.ledger_history) mails"
        " WHERE sender_id = :sender AND claimed_at < :at ORDER BY claimed_at DESC LIMIT 1"
    )
    old_id = connection.scalar(query, {"sender": sender.id, "at": at})
    return Draw(
        entry=entry,
        sender=sender,
        recipient=repository.get_mailbox_by_id(connection, entry.recipient_id),
        old_id=old_id,
    )


def _cost(connection: sa.Connection, query: Query, draws: list[Draw]) -> Cost:
    took = []
    for warm in (True, False):
        # A fifth of the calls is not counted: they fill the caches of this connection.
        before = _blocks(connection)
        for draw in draws[: len(draws) // 5] if warm else draws:
            began = time.perf_counter()
            query(connection, draw)
            if not warm:
                took.append((time.perf_counter() - began) * 1000)
            connection.rollback()
    blocks = (_blocks(connection) - before) / len(draws)
    return Cost(median=statistics.median(took), p95=statistics.quantiles(took, n=20)[-1], blocks=blocks)


def _blocks(connection: sa.Connection) -> int:
    """Return how many blocks this database gave out so far, by tables and indexes of ours."""
    connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    connection.rollback()
    query = (
        "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0))"
        " FROM pg_statio_user_tables WHERE schemaname = 'gmail_warmup'"
    )
    found = int(connection.exec_driver_sql(query).scalar_one())
    connection.rollback()
    return found

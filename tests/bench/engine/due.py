"""What is due among 50,000 mailboxes with a ledger of 2,000,000 rows: how long the plan takes to find it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from psycopg2.extras import execute_values

from gmail_warmup.airflow.configuration import get_max_map_length
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Base, Mailbox
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.planning import next_send
from gmail_warmup.warmup.planning.daily_plan import SendingHistory, plan_todays_slots
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from gmail_warmup.warmup.planning.schedules import Schedule

ROUNDS = 40
DAYS = 10
"""Days that the senders have been sending."""
POOL_SHARE = 5
"""One of so many mailboxes is in the pool."""
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Los_Angeles", "UTC")

SETTINGS = Settings(sending_window="00:00-24:00", sending_days="mon,tue,wed,thu,fri,sat,sun", retention_days=0)
"""It has to be a sending hour whenever this is measured."""


@dataclass(frozen=True, kw_only=True)
class DueTimes:
    """What was measured, in milliseconds.

    Attributes:
        p95: all five actions one after the other, at the 95th percentile of the rounds.
        by_action: each action alone, at the 95th percentile.
        first: finding who is due to send while no sender has a hint yet, all looks together.
        first_looks: how many runs that takes.
        found: mailboxes that were due, by action; no more than one run has tasks for.
    """

    p95: float
    by_action: dict[str, float]
    first: float
    first_looks: int
    found: dict[str, int]


def measure_due(engine: sa.Engine, *, mailboxes: int = 50_000, ledger_rows: int = 2_000_000) -> DueTimes:
    """Fill the tables, which have to be there and are emptied first, and measure.

    Args:
        engine: may switch triggers off, so it needs the tables' owner.
    """
    fill(engine, mailboxes=mailboxes, ledger_rows=ledger_rows)
    first, first_looks = _first_looks(engine)
    _end_of_run(engine)
    rounds = [_round(engine) for _ in range(ROUNDS)]
    by_action = {action.value: _p95([taken[action][0] for taken in rounds]) for action in Action}
    return DueTimes(
        p95=_p95([sum(milliseconds for milliseconds, _ in taken.values()) for taken in rounds]),
        by_action=by_action,
        first=first,
        first_looks=first_looks,
        found={action.value: rounds[-1][action][1] for action in Action},
    )


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _first_looks(engine: sa.Engine) -> tuple[float, int]:
    began, looks = time.perf_counter(), 0
    unknown = sa.select(sa.func.count()).where(Mailbox.kind == "warmup", Mailbox.next_send_at.is_(None))
    while True:
        with engine.begin() as connection:
            if not connection.scalar(unknown):
                return (time.perf_counter() - began) * 1000, looks
            find_due_mailboxes(connection, Action.SEND, SETTINGS)
            looks += 1


def _end_of_run(engine: sa.Engine) -> None:
    """Let statistics and visibility be those of a database that runs for a while."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _round(engine: sa.Engine) -> dict[Action, tuple[float, int]]:
    """Look for what is due, once for each action as a run does; return milliseconds and how many there were."""
    taken = {}
    for action in Action:
        began = time.perf_counter()
        with engine.begin() as connection:
            found = find_due_mailboxes(connection, action, SETTINGS, limit=get_max_map_length() + 1)
        taken[action] = (time.perf_counter() - began) * 1000, len(found)
    return taken


_MAILBOXES = """
INSERT INTO gmail_warmup.mailbox (address, kind, timezone, created_by, created_at, warmup_days)
SELECT 'box' || i || '@d' || i % 400 || '.example', CASE WHEN i % :share = 0 THEN 'pool' ELSE 'warmup' END,
    (:zones)[1 + i % :zone_count], 'bench', now() - interval '40 days', CASE WHEN i % :share = 0 THEN 0 ELSE :days END
FROM generate_series(1, :mailboxes) i
"""
# One grant of a hundred is dead, as in life.
_GRANTS = """
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state, reason, granted_at)
SELECT id, CASE WHEN id % 100 = 0 THEN 'needs_reauth' ELSE 'active' END,
    CASE WHEN id % 100 = 0 THEN 'expired_or_revoked' END, now() - interval '40 days' FROM gmail_warmup.mailbox
"""
# Mails of the days before today, none of them yesterday's, which is still today in some zone; all but some of the last
# day's are done with.
_LEDGER = """
INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, status, claimed_at, sent_at,
    subject, rfc_message_id, locate_due_at, placement, placed_at, read_due_at, read_at, rescue_due_at, rescued_at,
    reply_due_at, replied_at)
SELECT 'f' || n, s.id, p.id, current_date - 2 - (n / :senders % :days)::int, (n / :senders / :days)::int, at,
    'sent', at, at, 'Notes', '<' || n || '@mail.example>', at,
    CASE WHEN fresh AND n % 11 = 0 THEN NULL WHEN n % 20 = 0 THEN 'spam' ELSE 'inbox' END, at,
    CASE WHEN n % 5 > 0 THEN at END, CASE WHEN n % 5 > 0 AND NOT (fresh AND n % 13 = 0) THEN at END,
    CASE WHEN n % 20 = 0 THEN at END, CASE WHEN n % 20 = 0 AND NOT (fresh AND n % 60 = 0) THEN at END,
    CASE WHEN n % 2 = 0 THEN at END, CASE WHEN n % 2 = 0 AND NOT (fresh AND n % 22 = 0) THEN at END
FROM generate_series(0, :firsts - 1) n
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS k FROM gmail_warmup.mailbox WHERE kind = 'warmup') s
    ON s.k = n % :senders
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS k FROM gmail_warmup.mailbox WHERE kind = 'pool') p
    ON p.k = n * 7 % :pool
CROSS JOIN LATERAL (SELECT now() - make_interval(days => 1 + (n / :senders % :days)::int, mins => (n % 600)::int) AS at,
    n / :senders % :days = 0 AS fresh) t
"""
_REPLIES = """
INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, parent_id, turn, local_date, due_at, status,
    claimed_at, sent_at, subject, rfc_message_id, locate_due_at, collected_at)
SELECT 'r' || id, recipient_id, sender_id, id, 2, local_date, due_at, 'sent', claimed_at, sent_at, subject,
    '<r' || id || '@mail.example>', locate_due_at, CASE WHEN id % 300 > 0 THEN sent_at END
FROM gmail_warmup.ledger WHERE replied_at IS NOT NULL ORDER BY id LIMIT :replies
"""
_DAYS = """
INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, ramp, planned, claimed, sent, inbox, spam, read, replied)
SELECT sender_id, local_date, :volume, greatest(:volume, count(*)), count(*), count(*),
    count(*) FILTER (WHERE placement = 'inbox'),
    count(*) FILTER (WHERE placement = 'spam'), count(read_at), count(replied_at)
FROM gmail_warmup.ledger WHERE parent_id IS NULL GROUP BY sender_id, local_date
"""
_TODAY = """
INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, status, claimed_at, sent_at,
    subject, rfc_message_id, locate_due_at, placement, placed_at) VALUES %s
"""


def fill(engine: sa.Engine, *, mailboxes: int, ledger_rows: int) -> None:
    """Fill the tables: senders in the middle of their day, everything up to ten minutes ago sent."""
    tables = ", ".join(str(table) for table in Base.metadata.sorted_tables)
    pool, senders = mailboxes // POOL_SHARE, mailboxes - mailboxes // POOL_SHARE
    with engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        # The trigger that counts claims would count two million of them one by one.
        connection.exec_driver_sql("ALTER TABLE gmail_warmup.ledger DISABLE TRIGGER USER")
        scene = {
            "mailboxes": mailboxes, "senders": senders, "pool": pool, "share": POOL_SHARE, "days": DAYS,
            "zones": list(ZONES), "zone_count": len(ZONES),
        }  # fmt: skip
        connection.execute(sa.text(_MAILBOXES), scene)
        connection.execute(sa.text(_GRANTS))
        sent_today = _send_today(connection)
        firsts = (ledger_rows - sent_today) * 2 // 3
        connection.execute(sa.text(_LEDGER), scene | {"firsts": firsts})
        connection.execute(sa.text(_REPLIES), {"replies": ledger_rows - sent_today - firsts})
        volume = Schedule.from_settings(SETTINGS).ramp.compute_volume(warmup_day=DAYS + 1, daily_target=50)
        connection.execute(sa.text(_DAYS), {"volume": volume})
        connection.exec_driver_sql("ALTER TABLE gmail_warmup.ledger ENABLE TRIGGER USER")
        next_send.clear_outdated_hints(connection, SETTINGS)
    _end_of_run(engine)


def _send_today(connection: sa.Connection) -> int:
    """Put into the ledger what the plans of today had until ten minutes ago; return how many mails that is."""
    now: datetime = connection.execute(sa.select(sa.func.now() - sa.text("interval '10 minutes'"))).scalar_one()
    pool = connection.scalar(sa.select(sa.func.count()).where(Mailbox.kind == "pool"))
    rows = list(_sent_today(connection, now, pool))
    cursor = connection.connection.cursor()
    execute_values(cursor, _TODAY, rows, page_size=10_000)
    return len(rows)


def _sent_today(
    connection: sa.Connection, now: datetime, pool: int
) -> Iterator[tuple[str | int | date | datetime, ...]]:
    query = repository.SELECT_MAILBOXES.where(Mailbox.kind == "warmup")
    for mailbox in map(repository.to_record, connection.execute(query)):
        today = now.astimezone(mailbox.zone).date()
        for slot in plan_todays_slots(mailbox, SendingHistory(days=DAYS), now=now, settings=SETTINGS):
            if slot.due_at <= now:
                partner = (1 + (mailbox.id + 97 * slot.number) % pool) * POOL_SHARE
                token = f"t{mailbox.id}-{slot.number}"
                yield (token, mailbox.id, partner, today, slot.number, slot.due_at, "sent", slot.due_at, slot.due_at,
                       "Notes", f"<{token}@mail.example>", slot.due_at, "inbox", slot.due_at)  # fmt: skip

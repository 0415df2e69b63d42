"""The past of an installation that sends the same number of mails every day: more of it is an older installation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.planning import next_send

SENDERS, POOL, PER_DAY = 360, 120, 40
ANSWERED = 11
"""Of twenty mails."""
ROWS_A_DAY = SENDERS * PER_DAY * (20 + ANSWERED) // 20
LEDGER_DAYS = 45
"""What is older is in the history, as the daily upkeep leaves it with the settings at their defaults."""

SETTINGS = Settings(
    sending_window="00:00-24:00", sending_days="mon,tue,wed,thu,fri,sat,sun", ledger_days=LEDGER_DAYS,
    pool_daily_cap=1000, partner_daily_cap=50,
)  # fmt: skip
"""It has to be a sending hour whenever this is measured, and a claim has to find a partner."""

_IDS_A_DAY, _ANSWER = 100_000, 50_000
_TODAY = 1_000_000_000
"""Ids grow with time: the day that is so many days ago has those from this number, less its share, on."""

_MAILBOXES = """
INSERT INTO gmail_warmup.mailbox (address, kind, created_by, created_at, warmup_days, daily_target)
SELECT 'box' || i || '@d' || i % 40 || '.example', CASE WHEN i <= :senders THEN 'warmup' ELSE 'pool' END, 'bench',
    now() - interval '7 years', CASE WHEN i <= :senders THEN 60 ELSE 0 END, 50
FROM generate_series(1, :senders + :pool) i
"""
_GRANTS = """
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state, granted_at)
SELECT id, 'active', now() - interval '7 years' FROM gmail_warmup.mailbox
"""
_COLUMNS = (
    "id, token, sender_id, recipient_id, parent_id, turn, local_date, slot, due_at, status, claimed_at, sent_at,"
    " subject, draft_id, gmail_id, thread_id, rfc_message_id, locate_due_at, placement, placed_at, recipient_gmail_id,"
    " recipient_thread_id, read_due_at, read_at, reply_due_at, replied_at, collected_at, trash_due_at,"
    " sender_trashed_at, recipient_trashed_at, notice_ids"
)
_GMAIL_ID = "md5('{}' || {} || '-' || d)"
# The last two days still have something to do, as in life: some mails are not found, not read or not answered yet.
_FIRSTS = f"""
INSERT INTO gmail_warmup.{{table}} ({_COLUMNS})
SELECT :today - d * {_IDS_A_DAY}::bigint + n, md5('f' || n || '-' || d), 1 + n % :senders,
    :senders + 1 + (m * 7 + d) % :pool, NULL, 1, (at AT TIME ZONE 'UTC')::date, n / :senders, at, 'sent', at, at,
    'Notes from the call on Tuesday', 'r' || n, {_GMAIL_ID.format("g", "n")}, {_GMAIL_ID.format("g", "n")},
    '<' || {_GMAIL_ID.format("m", "n")} || '@mail.example>', at,
    CASE WHEN d = 1 AND m % 11 = 0 THEN NULL WHEN m % 20 = 0 THEN 'spam' ELSE 'inbox' END,
    CASE WHEN d = 1 AND m % 11 = 0 THEN NULL ELSE at END,
    {_GMAIL_ID.format("x", "n")}, {_GMAIL_ID.format("x", "n")},
    CASE WHEN m % 5 > 0 THEN at END, CASE WHEN m % 5 > 0 AND NOT (d <= 2 AND m % 13 = 0) THEN at END,
    CASE WHEN m % 20 < :answered THEN at END,
    CASE WHEN m % 20 < :answered AND NOT (d <= 2 AND m % 22 = 0) THEN at END, NULL, at + interval '30 days',
    CASE WHEN d > 31 THEN at + interval '30 days' END, CASE WHEN d > 31 THEN at + interval '30 days' END, '{{{{}}}}'
FROM generate_series(:youngest, :oldest) d, generate_series(0, :firsts - 1) n,
    LATERAL (SELECT n + n / :senders * 7 AS m,
        date_trunc('day', now()) - d * interval '1 day' + n % 1440 * interval '1 minute' AS at) t
"""
_ANSWERS = f"""
INSERT INTO gmail_warmup.{{table}} ({_COLUMNS})
SELECT id + {_ANSWER}, md5('a' || id), recipient_id, sender_id, id, 2, local_date, NULL, due_at, 'sent',
    claimed_at + interval '20 minutes', sent_at + interval '20 minutes', subject, draft_id, md5(gmail_id),
    recipient_thread_id, '<' || md5(rfc_message_id) || '@mail.example>', locate_due_at, 'inbox', placed_at,
    md5(recipient_gmail_id), thread_id, NULL, NULL, NULL, NULL, sent_at + interval '30 minutes', trash_due_at,
    sender_trashed_at, recipient_trashed_at, '{{{{}}}}'
FROM gmail_warmup.{{table}} WHERE replied_at IS NOT NULL AND parent_id IS NULL
    AND claimed_at >= :since AND claimed_at < :until
"""
_DAYS = """
INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, ramp, planned, claimed, sent, inbox, spam, read, replied)
SELECT i, (date_trunc('day', now()) - d * interval '1 day')::date, :per_day, :per_day, :per_day, :per_day,
    :per_day - 2, 2, :per_day * 4 / 5, :per_day / 2
FROM generate_series(:youngest, :oldest) d, generate_series(1, :senders) i
"""


def begin(connection: sa.Connection) -> None:
    """Put the mailboxes and their grants into empty tables."""
    connection.execute(sa.text(_MAILBOXES), {"senders": SENDERS, "pool": POOL})
    connection.execute(sa.text(_GRANTS))
    connection.exec_driver_sql(f"ALTER TABLE gmail_warmup.ledger ALTER COLUMN id RESTART WITH {_TODAY + _IDS_A_DAY}")
    next_send.clear_outdated_hints(connection, SETTINGS)


def days_for(rows: int) -> int:
    """Return how many days an installation has been sending that has so many rows."""
    return -(-rows // ROWS_A_DAY)


def grow(engine: sa.Engine, *, known: int, days: int) -> None:
    """Let the installation have been sending for more days than are known."""
    for youngest, oldest in _stretches(known + 1, days):
        in_ledger = oldest <= LEDGER_DAYS
        with engine.begin() as connection:
            _fill(connection, "ledger" if in_ledger else "ledger_history", youngest, oldest)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _stretches(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield days to fill in one transaction each, never some of the ledger and some of the history."""
    while first <= last:
        end = min(last, first + 29, LEDGER_DAYS if first <= LEDGER_DAYS else last)
        yield first, end
        first = end + 1


def _fill(connection: sa.Connection, table: str, youngest: int, oldest: int) -> None:
    midnight: datetime = connection.execute(sa.text("SELECT date_trunc('day', now())")).scalar_one()
    since, until = midnight - timedelta(days=oldest), midnight - timedelta(days=youngest - 1)
    scene = {
        "today": _TODAY, "senders": SENDERS, "pool": POOL, "firsts": SENDERS * PER_DAY, "answered": ANSWERED,
        "youngest": youngest, "oldest": oldest,
    }  # fmt: skip
    if table == "ledger":
        # The trigger that counts claims would count them one by one.
        connection.exec_driver_sql("ALTER TABLE gmail_warmup.ledger DISABLE TRIGGER USER")
    else:
        connection.execute(sa.text("SELECT gmail_warmup.make_months(:since, :until)"), {"since": since, "until": until})
    connection.execute(sa.text(_FIRSTS.format(table=table)), scene)
    connection.execute(sa.text(_ANSWERS.format(table=table)), {"since": since, "until": until})
    if table == "ledger":
        connection.exec_driver_sql("ALTER TABLE gmail_warmup.ledger ENABLE TRIGGER USER")
    connection.execute(sa.text(_DAYS), {"per_day": PER_DAY, "youngest": youngest, "oldest": oldest, "senders": SENDERS})

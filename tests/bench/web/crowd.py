"""A crowd of mailboxes as a busy operator has them, written in a few statements instead of one by one."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.reporting.domain_days import SUMMED_COLUMNS
from gmail_warmup.warmup.reporting.refresh import refresh_overview

MAILBOXES = 50_000
DAYS = 365
"""So many days of each warmup mailbox are counted."""

RARE = "ottilie"
"""Part of the address of one mailbox in a thousand."""

# Four in five warm up. A quarter of the domains is commoner than the rest together, as at any operator.
_MAILBOXES = """
INSERT INTO gmail_warmup.mailbox (address, kind, display_name, daily_target, timezone, created_by, created_at,
    warmup_days, paused_at, paused_by, pause_reason, deferred_until, band, band_reason, band_since)
SELECT CASE WHEN n % 1000 = 7 THEN :rare ELSE (ARRAY['ada', 'bob', 'carol', 'dan', 'eve', 'frank', 'grace'])[1 + n % 7]
        END || '.' || n || '@team' || (n * 7919 % 400) * (n * 31 % 4) / 3 || '.example',
    CASE WHEN n % 5 = 0 THEN 'pool' ELSE 'warmup' END,
    CASE WHEN n % 3 = 0 THEN 'Person Number ' || n END,
    10 + n % 50, (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + n % 4], 'bench',
    now() - interval '40 days', n % 31,
    CASE WHEN n % 97 = 0 THEN now() - n % 30 * interval '1 day' END,
    CASE WHEN n % 97 = 0 THEN 'bench' END, CASE WHEN n % 97 = 0 THEN 'away' END,
    CASE WHEN n % 211 = 0 THEN now() + interval '1 hour' END, band, CASE WHEN band <> 'healthy' THEN 'spam_much' END,
    CASE WHEN band <> 'healthy' THEN now() - n % 9 * interval '8 hours' END
FROM generate_series(1, :mailboxes) AS n, LATERAL (SELECT CASE WHEN n % 17 = 0 THEN
    (ARRAY['watch', 'throttled', 'paused', 'blocked'])[1 + n / 17 % 4] ELSE 'healthy' END AS band) b
"""
# Every sending domain was looked at; one in fifty is not sent from.
_DOMAINS = """
INSERT INTO gmail_warmup.domain_check (domain, record, result, code, bad_code, bad_since, bad_seen_at)
SELECT domain, record, CASE WHEN bad THEN 'bad' ELSE 'ok' END, CASE WHEN bad THEN 'dmarc_missing' ELSE 'ok' END,
    CASE WHEN bad THEN 'dmarc_missing' END, CASE WHEN bad THEN now() - interval '5 days' END,
    CASE WHEN bad THEN now() END
FROM (SELECT DISTINCT domain FROM gmail_warmup.mailbox) d, unnest(ARRAY['spf', 'dkim', 'dmarc']) AS record,
    LATERAL (SELECT record = 'dmarc' AND abs(hashtext(domain)) % 50 = 0 AS bad) b
"""
# Nine in ten are valid; ciphertexts are as long as real ones, for they fill the pages that are read.
_GRANTS = """
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, client_id, refresh_token, access_token, access_expires_at, scopes,
    state, reason, state_since, granted_at, refreshed_at, refresh_expires_at, next_probe_at, version)
SELECT id, '1-bench.apps.example.com', md5(id::text) || repeat('r', 228), md5(id::text) || repeat('a', 388),
    now() + interval '1 hour', ARRAY['https://mail.google.com/'], state, CASE state WHEN 'active' THEN NULL
        WHEN 'suspect' THEN 'grant_refused' WHEN 'needs_reauth' THEN 'expired_or_revoked' ELSE state END,
    now() - id % 5000 * interval '5 minutes', now() - interval '40 days', now() - id % 3000 * interval '1 second',
    CASE WHEN id % 50 = 0 THEN now() + id % 900 * interval '2 hours' END, CASE WHEN state <> 'active' THEN now() END, 7
FROM (SELECT id, CASE WHEN id % 10 > 0 THEN 'active' ELSE (ARRAY['needs_reauth', 'needs_reauth', 'suspect',
    'blocked_by_admin', 'account_deleted', 'disabled', 'active'])[1 + id / 10 % 7] END AS state
    FROM gmail_warmup.mailbox) m
"""
_DAYS = """
INSERT INTO gmail_warmup.mailbox_day
    (mailbox_id, local_date, planned, claimed, sent, inbox, spam, elsewhere, missing, rescued, read, replied)
SELECT id, current_date - d, 25, 20, 20, 14 + id % 4, id % 3, 1, id % 7 / 6, id % 3, 12, 8
FROM gmail_warmup.mailbox, generate_series(0, :days - 1) AS d WHERE kind = 'warmup'
"""
# The sums that a trigger would have made; the refresh at the end merges them, as a run of a DAG does.
_DOMAIN_DAYS = f"""
INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {", ".join(SUMMED_COLUMNS)})
SELECT m.domain, m.timezone, d.local_date, {", ".join(f"sum(d.{name})" for name in SUMMED_COLUMNS)}
FROM gmail_warmup.mailbox_day d JOIN gmail_warmup.mailbox m ON m.id = d.mailbox_id
GROUP BY m.domain, m.timezone, d.local_date
"""
# One audit a day found the same states.
_GRANT_DAYS = """
INSERT INTO gmail_warmup.grant_day (domain, day, kind, state, mailboxes)
SELECT domain, current_date - d, kind, state, mailboxes FROM generate_series(0, :days - 1) AS d, (
    SELECT coalesce(m.domain, '') AS domain, m.kind, g.state, count(*) AS mailboxes
    FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id
    GROUP BY GROUPING SETS ((m.kind, g.state), (m.domain, m.kind, g.state))) s
"""
_AUDITS = """
INSERT INTO gmail_warmup.audit (run_id, actor, started_at, finished_at, healthy, report)
SELECT 'run-' || d, 'bench', now() - d * interval '1 day' - interval '9 minutes', now() - d * interval '1 day', 45000,
    '{"mailboxes": 50000, "valid": 45000, "needs_reauth": 1400, "blocked": 700, "deleted": 700, "disabled": 700}'
FROM generate_series(:days - 1, 0, -1) AS d
"""
# Each pool mailbox received five mails a day for a week.
_LEDGER = """
INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, status, claimed_at, sent_at,
    subject, rfc_message_id, gmail_id, thread_id, placement, placed_at, rescued_at, read_at)
SELECT md5(p.id || '-' || n), p.id + 1, p.id, current_date - n / 5, n, at, 'sent', at, at, 'The meeting on Friday',
    '<' || p.id || '.' || n || '@example.com>', md5(n::text), md5(p.id::text),
    CASE WHEN n % 6 = 0 THEN 'spam' ELSE 'inbox' END, at, CASE WHEN n % 6 = 0 THEN at END, at
FROM gmail_warmup.mailbox p, generate_series(0, 34) AS n, LATERAL (SELECT now() - n * interval '4.7 hours' AS at) t
WHERE p.kind = 'pool' AND p.id < :mailboxes
"""
# Every working grant is refreshed once more: a table at work, not one fresh from a vacuum.
_REFRESH = "UPDATE gmail_warmup.oauth_grant SET version = version + 1 WHERE state = 'active'"


def add_crowd(engine: sa.Engine, mailboxes: int = MAILBOXES) -> None:
    """Fill empty tables with so many mailboxes, their grants, their days and what they received."""
    values = {"mailboxes": mailboxes, "days": DAYS, "rare": RARE}
    with engine.begin() as connection:
        for statement in (_MAILBOXES, _DOMAINS, _GRANTS, _GRANT_DAYS, _AUDITS):
            connection.execute(sa.text(statement), values)
    with engine.begin() as connection:
        # Without triggers and foreign keys, which cost minutes for millions of rows.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in (_DAYS, _DOMAIN_DAYS):
            connection.execute(sa.text(statement), values)
    with engine.begin() as connection:
        connection.execute(sa.text(_LEDGER), values)
    _each(engine, ("VACUUM ANALYZE",))
    with engine.begin() as connection:
        connection.execute(sa.text(_REFRESH))
    refresh_overview(engine, Settings())
    _each(engine, ("VACUUM ANALYZE gmail_warmup.domain_day", "ANALYZE"))


def _each(engine: sa.Engine, commands: Sequence[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for command in commands:
            connection.exec_driver_sql(command)

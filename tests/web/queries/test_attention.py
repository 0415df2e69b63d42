"""The mailboxes that need a person: counted and listed as if every mailbox was read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, HealthBand, MailboxKind
from gmail_warmup.web.queries.attention import load_attention
from gmail_warmup.web.queries.filters import MailboxFilter

_FILL = """
WITH m AS (
    INSERT INTO gmail_warmup.mailbox (address, kind, created_by, band, band_since)
    SELECT 'a' || n || '@d' || n % 3 || '.example', CASE WHEN n % 4 = 0 THEN 'pool' ELSE 'warmup' END, 'test',
        (ARRAY['healthy', 'watch', 'throttled', 'paused', 'blocked'])[1 + n % 5], now() - n * 31 % 97 * interval '1 day'
    FROM generate_series(1, 120) AS n RETURNING id)
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state, reason, state_since)
SELECT id, (ARRAY['active', 'needs_reauth', 'suspect', 'disabled', 'active', 'account_deleted'])[1 + id % 6], 'test',
    now() - id * 17 % 101 * interval '1 day' FROM m
"""
_FAIL = """
INSERT INTO gmail_warmup.mailbox_failure (mailbox_id, since, not_working_at, reason, detail)
SELECT id, now() - id * 13 % 89 * interval '1 day', now(), 'not_found', 'x' FROM gmail_warmup.mailbox WHERE id % 7 = 0
"""
_ALL = """
SELECT m.*, g.*, f.since AS failing_since FROM gmail_warmup.mailbox m
JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id LEFT JOIN gmail_warmup.mailbox_failure f ON f.mailbox_id = m.id
"""
FILTERS = [
    MailboxFilter(),
    MailboxFilter(kind=MailboxKind.WARMUP),
    MailboxFilter(domain="d1.example"),
    MailboxFilter(tag="sales"),
    MailboxFilter(kind=MailboxKind.POOL, domain="d2.example", tag="sales"),
]


def _meets(mailbox: Any, wanted: MailboxFilter) -> bool:
    has_tag = mailbox.mailbox_id % 2 == 0
    return wanted.kind in (None, mailbox.kind) and wanted.domain in ("", mailbox.domain) and (has_tag or not wanted.tag)


def _list_needs(mailbox: Any) -> list[tuple[datetime, str]]:
    """Return since when a mailbox needs a person, and its address: because of its grant, its tasks or its health."""
    if mailbox.state in FLAGGED_STATES:
        return [(mailbox.state_since, mailbox.address)]
    if mailbox.failing_since is not None:
        return [(mailbox.failing_since, mailbox.address)]
    is_blocked = mailbox.kind == MailboxKind.WARMUP and mailbox.band == HealthBand.BLOCKED
    return [(mailbox.band_since, mailbox.address)] if is_blocked else []


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("limit", [1, 4, 200])
def test_they_are_counted_and_the_oldest_listed(database: sa.Engine, wanted: MailboxFilter, limit: int):
    with database.begin() as connection:
        connection.execute(sa.text(_FILL))
        connection.execute(sa.text(_FAIL))
        tag = "INSERT INTO gmail_warmup.mailbox_tag SELECT id, 'sales' FROM gmail_warmup.mailbox WHERE id % 2 = 0"
        connection.execute(sa.text(tag))
        shown = [row for row in connection.execute(sa.text(_ALL)) if _meets(row, wanted)]
        found = load_attention(connection, wanted, limit=limit)
    needs = sorted(need for mailbox in shown for need in _list_needs(mailbox))
    assert found.mailboxes == len(shown) > 0
    assert found.states == {state: sum(row.state == state for row in shown) for state in GrantState}
    assert found.restricted == sum(row.kind == "warmup" and row.band not in ("healthy", "watch") for row in shown)
    assert found.needy_count == len(needs)
    assert [(one.since, one.address) for one in found.needy] == needs[:limit]

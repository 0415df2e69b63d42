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
_ALL = "SELECT * FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id ORDER BY m.address"
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
    """Return since when a mailbox needs a person, and its address, once for its grant and once for its health."""
    needs = [(mailbox.state_since, mailbox.address)] if mailbox.state in FLAGGED_STATES else []
    is_blocked = mailbox.kind == MailboxKind.WARMUP and mailbox.band == HealthBand.BLOCKED
    return [*needs, (mailbox.band_since, mailbox.address)] if is_blocked else needs


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("limit", [1, 4, 200])
def test_they_are_counted_and_the_oldest_listed(database: sa.Engine, wanted: MailboxFilter, limit: int):
    with database.begin() as connection:
        connection.execute(sa.text(_FILL))
        tag = "INSERT INTO gmail_warmup.mailbox_tag SELECT id, 'sales' FROM gmail_warmup.mailbox WHERE id % 2 = 0"
        connection.execute(sa.text(tag))
        shown = [row for row in connection.execute(sa.text(_ALL)) if _meets(row, wanted)]
        found = load_attention(connection, wanted, limit=limit)
    needs = sorted(need for mailbox in shown for need in _list_needs(mailbox))
    assert found.mailboxes == len(shown) > 0
    assert found.states == {state: sum(row.state == state for row in shown) for state in GrantState}
    assert found.restricted == sum(row.kind == "warmup" and row.band not in ("healthy", "watch") for row in shown)
    assert found.needy_count == len(needs)
    assert [one.since for one in found.needy] == [since for since, _ in needs[:limit]]

"""The sums of all mailboxes of a domain are those of the domain, in every time zone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gmail_warmup.db.models import DomainDay, Mailbox, MailboxDay
from gmail_warmup.warmup.reporting.domain_days import select_sums
from gmail_warmup.warmup.reporting.mailbox_sums import select_mailbox_sums

_ZONES = ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago")  # in at least one of them it is another date
_DAYS = (0, 1, 2, 3, 29, 30)
_ADD = """
WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, timezone, created_by)
    VALUES (:address, 'warmup', :zone, 'test') RETURNING id)
INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent, spam)
SELECT id, (now() AT TIME ZONE :zone)::date - ago, 9, 7 + ago, :number FROM m, unnest(CAST(:days AS int[])) AS ago
"""


@pytest.mark.parametrize("days", [1, 2, 3, 30, 31])
def test_all_mailboxes_of_a_domain_have_its_sums(database: sa.Engine, days: int):
    with database.begin() as connection:
        for number, zone in enumerate(_ZONES * 2):
            address = f"a{number}@d{number % 2}.example"
            values = {"address": address, "zone": zone, "number": number, "days": list(_DAYS)}
            connection.execute(sa.text(_ADD), values)
        of_domain = select_sums(DomainDay.local_date, days=days, domain="d1.example")
        of_mailboxes = select_mailbox_sums(
            MailboxDay.local_date, days=days, conditions=[Mailbox.domain == "d1.example"]
        )
        stored, counted = (
            [tuple(row) for row in connection.execute(query.order_by("local_date"))]
            for query in (of_domain, of_mailboxes)
        )
    assert stored == counted
    assert len(stored) >= min(days, 3)

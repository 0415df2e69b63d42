"""Authentication of a sending domain: what Google reported about its last mail outweighs the DNS check."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.web.queries.sending_domains import load_authentication


def test_a_report_of_google_outweighs_the_dns_check(database: sa.Engine):
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO gmail_warmup.domain_check (domain, record, result, code) VALUES"
            " ('a.example', 'spf', 'ok', 'ok'), ('a.example', 'dkim', 'bad', 'x'), ('a.example', 'dmarc', 'bad', 'x'),"
            " ('b.example', 'spf', 'bad', 'x')"
        )
        connection.exec_driver_sql(
            "INSERT INTO gmail_warmup.domain_authentication (domain, method, result, seen_at, failures) VALUES"
            " ('a.example', 'spf', 'fail', now(), 2), ('a.example', 'dkim', 'pass', now(), 0)"
        )
        assert load_authentication(connection, ["a.example"]) == {
            "a.example": {
                DnsRecord.SPF: DnsResult.BAD,
                DnsRecord.DKIM: DnsResult.OK,
                DnsRecord.DMARC: DnsResult.BAD,
            }
        }

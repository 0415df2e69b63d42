"""What Google last reported about the authentication of the mail of domains and mailboxes, from its headers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import AuthenticationMethod, AuthenticationResult
from gmail_warmup.db.models import DomainAuthentication, MailboxAuthentication
from gmail_warmup.db.rows import convert_rows

_SELECT_MAILBOX_REPORTS = sa.select(MailboxAuthentication.__table__).where(
    MailboxAuthentication.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
)
ALERTED_AFTER = 3
"""Number of mails of a domain in a row that fail DMARC, after which the operator is alerted."""


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """The last report about one method.

    Attributes:
        is_aligned: whether the authenticated domain belongs to the From header; None for DMARC.
        seen_at: when the placement of the last mail was read.
        failures: number of mails in a row that this method did not authenticate. For DMARC, a mail of a domain without
            a DMARC record counts if neither SPF nor DKIM passes for its From header.
    """

    method: AuthenticationMethod
    result: AuthenticationResult
    is_aligned: bool | None
    seen_at: datetime
    passed_at: datetime | None
    failures: int


def load_domain_reports(connection: sa.Connection, domain: str | None = None) -> dict[str, list[StoredReport]]:
    """Return the last reports of every domain, or of one, by domain; in the order of the methods."""
    table = DomainAuthentication
    query = sa.select(table.__table__)
    rows = connection.execute(query if domain is None else query.where(table.domain == domain))
    return _group_reports(rows, table.__tablename__, "domain")


def load_mailbox_reports(connection: sa.Connection, mailbox_ids: Collection[int]) -> dict[int, list[StoredReport]]:
    """Return the last reports of mailboxes, by id; in the order of the methods."""
    rows = connection.execute(_SELECT_MAILBOX_REPORTS, {"ids": list(mailbox_ids)})
    return _group_reports(rows, MailboxAuthentication.__tablename__, "mailbox_id")


def _group_reports(rows: sa.CursorResult[Any], table: str, key: str) -> dict[Any, list[StoredReport]]:
    order = list(AuthenticationMethod)
    reports: dict[Any, list[StoredReport]] = {}
    for name, report in convert_rows(rows, lambda row: (row._mapping[key], _to_report(row)), table=table):
        reports.setdefault(name, []).append(report)
    return {name: sorted(found, key=lambda report: order.index(report.method)) for name, found in reports.items()}


def _to_report(row: sa.Row[Any]) -> StoredReport:
    return StoredReport(
        method=AuthenticationMethod(row.method),
        result=AuthenticationResult(row.result),
        is_aligned=row.is_aligned,
        seen_at=row.seen_at,
        passed_at=row.passed_at,
        failures=row.failures,
    )

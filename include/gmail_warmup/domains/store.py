"""Store the findings of each sending domain, and since when a record is bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import CONSUMER_DOMAINS, DnsRecord, DnsResult
from gmail_warmup.db.models import DomainAuthentication, DomainCheck, Mailbox, MailboxKind
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.domains.reasons import RecordFinding


@dataclass(frozen=True, kw_only=True)
class StoredFinding:
    """The last finding of a record of a domain; ``bad_since`` is None unless the record is bad."""

    domain: str
    record: DnsRecord
    finding: RecordFinding
    checked_at: datetime
    bad_since: datetime | None


def list_sending_domains(connection: sa.Connection) -> list[str]:
    """Return the domains of the warmup mailboxes, except those of consumer Gmail, whose records are Google's own."""
    query = sa.select(Mailbox.domain).distinct()
    query = query.where(Mailbox.kind == MailboxKind.WARMUP, Mailbox.domain.not_in(CONSUMER_DOMAINS))
    return sorted(connection.scalars(query))


def store_findings(connection: sa.Connection, domain: str, findings: Mapping[DnsRecord, RecordFinding]) -> None:
    """Store the findings of a domain.

    The first "bad" starts a bad period, the first "ok" or "warning" ends it, and "could not tell" does neither.
    """
    for record, finding in findings.items():
        values = {
            "result": finding.result, "code": finding.code, "detail": finding.detail, "checked_at": sa.func.now(),
        }  # fmt: skip
        inserted, updated = _build_bad_period(finding)
        statement = insert(DomainCheck).values(domain=domain, record=record, **values, **inserted)
        statement = statement.on_conflict_do_update(index_elements=["domain", "record"], set_=values | updated)
        connection.execute(statement)


def _build_bad_period(finding: RecordFinding) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of the bad period that a finding sets, for a new row and for an existing one."""
    now = sa.func.now()
    if finding.result in (DnsResult.OK, DnsResult.WARNING):
        return {}, {"bad_code": None, "bad_since": None, "bad_seen_at": None}
    if finding.result is DnsResult.COULD_NOT_TELL:
        return {}, {}
    bad = {"bad_code": finding.code, "bad_seen_at": now}
    return bad | {"bad_since": now}, bad | {"bad_since": sa.func.coalesce(DomainCheck.bad_since, now)}


def delete_other_domains(connection: sa.Connection, domains: list[str]) -> None:
    """Delete the findings, and Google's reports, of domains that no warmup mailbox uses any more."""
    connection.execute(sa.delete(DomainCheck).where(DomainCheck.domain.not_in(domains)))
    connection.execute(sa.delete(DomainAuthentication).where(DomainAuthentication.domain.not_in(domains)))


def load_findings(connection: sa.Connection, domain: str | None = None) -> list[StoredFinding]:
    """Return the last findings of every domain, ordered by name, or of one domain."""
    query = sa.select(DomainCheck.__table__).order_by(DomainCheck.domain, DomainCheck.record)
    rows = connection.execute(query if domain is None else query.where(DomainCheck.domain == domain))
    return convert_rows(rows, _to_stored_finding, table=DomainCheck.__tablename__)


def _to_stored_finding(row: sa.Row[Any]) -> StoredFinding:
    return StoredFinding(
        domain=row.domain,
        record=DnsRecord(row.record),
        finding=RecordFinding(code=row.code, detail=row.detail),
        checked_at=row.checked_at,
        bad_since=row.bad_since,
    )

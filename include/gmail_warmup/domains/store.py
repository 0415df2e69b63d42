"""What was found of each sending domain, and since when it is bad. Functions take the caller's connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.db.models import DomainCheck, Mailbox, MailboxKind
from gmail_warmup.domains.reasons import RecordFinding

CONSUMER_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""Their records are Google's own."""


@dataclass(frozen=True, kw_only=True)
class StoredFinding:
    """A record of a domain as it was last looked at; ``bad_since`` is None while it is right."""

    domain: str
    record: DnsRecord
    finding: RecordFinding
    checked_at: datetime
    bad_since: datetime | None


def sending_domains(connection: sa.Connection) -> list[str]:
    """Return the domains of the warmup mailboxes, without the consumer ones."""
    query = sa.select(Mailbox.domain).distinct()
    query = query.where(Mailbox.kind == MailboxKind.WARMUP, Mailbox.domain.not_in(CONSUMER_DOMAINS))
    return sorted(connection.scalars(query))


def store_findings(connection: sa.Connection, domain: str, findings: Mapping[DnsRecord, RecordFinding]) -> None:
    """Write what was found of a domain.

    The first ok ends a bad time, the first bad begins one, and what could not be told does neither.
    """
    for record, finding in findings.items():
        values = {
            "result": finding.result, "code": finding.code, "detail": finding.detail, "checked_at": sa.func.now(),
        }  # fmt: skip
        first, later = _build_bad_period(finding)
        statement = insert(DomainCheck).values(domain=domain, record=record, **values, **first)
        statement = statement.on_conflict_do_update(index_elements=["domain", "record"], set_=values | later)
        connection.execute(statement)


def _build_bad_period(finding: RecordFinding) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a finding says about the bad time, for a new row and for one that is there."""
    now = sa.func.now()
    if finding.result is DnsResult.OK:
        return {}, {"bad_code": None, "bad_since": None, "bad_seen_at": None}
    if finding.result is DnsResult.COULD_NOT_TELL:
        return {}, {}
    seen = {"bad_code": finding.code, "bad_seen_at": now}
    return seen | {"bad_since": now}, seen | {"bad_since": sa.func.coalesce(DomainCheck.bad_since, now)}


def delete_other_domains(connection: sa.Connection, domains: list[str]) -> None:
    """Forget domains that nobody sends from any more."""
    connection.execute(sa.delete(DomainCheck).where(DomainCheck.domain.not_in(domains)))


def load_findings(connection: sa.Connection, domain: str | None = None) -> list[StoredFinding]:
    """Return what was last found of every domain, by its name, or of one alone."""
    query = sa.select(DomainCheck.__table__).order_by(DomainCheck.domain, DomainCheck.record)
    rows = connection.execute(query if domain is None else query.where(DomainCheck.domain == domain))
    return [
        StoredFinding(
            domain=row.domain,
            record=DnsRecord(row.record),
            finding=RecordFinding(code=row.code, detail=row.detail),
            checked_at=row.checked_at,
            bad_since=row.bad_since,
        )
        for row in rows
    ]

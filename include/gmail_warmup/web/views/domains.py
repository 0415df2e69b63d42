"""Views of sending domains: their records, what Google reports about their mail, and which may not send."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.domains.authentication import StoredReport, load_domain_reports
from gmail_warmup.domains.gate import GatedDomain, load_confirmed_records, load_gated_domains
from gmail_warmup.domains.store import StoredFinding, load_findings
from gmail_warmup.web.views.authentication import AuthenticationReport, build_reports

RESULT_LABELS = {
    DnsResult.OK: "ok",
    DnsResult.WARNING: "warning",
    DnsResult.BAD: "bad",
    DnsResult.COULD_NOT_TELL: "could not tell",
}


class ClosedDomain(BaseModel):
    """A domain that may not send, because receivers cannot distinguish its mail from a forgery."""

    model_config = ConfigDict(frozen=True)

    domain: str
    code: str
    sentence: str = Field(description="The reason as a sentence.")
    step: str = Field(description="The remedy.")
    since: datetime = Field(description="Since when the record has been bad.")


class Record(BaseModel):
    """One DNS record of a domain at its last check."""

    model_config = ConfigDict(frozen=True)

    record: DnsRecord
    result: DnsResult
    label: str = Field(description="The result as text.")
    code: str
    sentence: str = Field(description="The reason as a sentence.")
    detail: str = Field(description="The part of the record that the reason refers to: a term, a name or a number.")
    step: str = Field(description="The remedy.")
    checked_at: datetime
    bad_since: datetime | None
    confirmed: bool = Field(
        description="Whether Google reports a pass although the record is bad; the finding stops nothing then."
    )


class Domain(BaseModel):
    """A sending domain with its DNS records, and with what Google reports about its mail."""

    model_config = ConfigDict(frozen=True)

    domain: str
    closed: ClosedDomain | None = Field(description="Why the domain may not send; null if it may.")
    records: list[Record] = Field(description="Empty before the first check.")
    authentication: list[AuthenticationReport] = Field(
        description="What Google last reported about the mail of all mailboxes; empty before the first mail."
    )


def load_closed_domains(connection: sa.Connection) -> list[ClosedDomain]:
    """Return the domains that may not send, sorted by name."""
    gates = sorted(load_gated_domains(connection).values(), key=lambda gate: gate.domain)
    return [_build_closed_domain(gate) for gate in gates]


def load_domains(connection: sa.Connection, domain: str | None = None) -> list[Domain]:
    """Return the domains with records or reports, sorted by name; with ``domain``, only that one."""
    gates, confirmed = load_gated_domains(connection), load_confirmed_records(connection)
    groups = groupby(load_findings(connection, domain), key=lambda finding: finding.domain)
    records = {name: [_build_record(finding, confirmed) for finding in findings] for name, findings in groups}
    reports = load_domain_reports(connection, domain)
    return [
        _build_domain(name, records.get(name, []), reports.get(name, []), gates.get(name))
        for name in sorted(records.keys() | reports.keys())
    ]


def _build_closed_domain(gate: GatedDomain) -> ClosedDomain:
    return ClosedDomain(domain=gate.domain, code=gate.code, sentence=gate.message, step=gate.remedy, since=gate.since)


def _build_domain(name: str, records: list[Record], reports: list[StoredReport], gate: GatedDomain | None) -> Domain:
    order = list(DnsRecord)
    return Domain(
        domain=name,
        closed=_build_closed_domain(gate) if gate else None,
        records=sorted(records, key=lambda record: order.index(record.record)),
        authentication=build_reports(reports),
    )


def _build_record(stored: StoredFinding, confirmed: frozenset[tuple[str, str]]) -> Record:
    reason = stored.finding.reason
    return Record(
        record=stored.record,
        result=reason.result,
        label=RESULT_LABELS[reason.result],
        code=reason.code,
        sentence=reason.message,
        detail=stored.finding.detail,
        step=reason.remedy_for(stored.domain),
        checked_at=stored.checked_at,
        bad_since=stored.bad_since,
        confirmed=(stored.domain, stored.record) in confirmed,
    )

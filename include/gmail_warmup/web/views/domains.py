"""The records of sending domains in words: SPF, DKIM and DMARC, and which domains are not sent from."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.domains.gate import GatedDomain, load_gated_domains
from gmail_warmup.domains.store import StoredFinding, load_findings

RESULT_LABELS = {DnsResult.OK: "ok", DnsResult.BAD: "bad", DnsResult.COULD_NOT_TELL: "could not tell"}


class ClosedDomain(BaseModel):
    """A domain that is not sent from, because receivers cannot tell its mail from a forgery."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    domain: str
    code: str
    sentence: str = Field(description="What is the case, in words.")
    step: str = Field(description="What to do about it.")
    since: datetime = Field(description="Since when the record is bad.")


class Record(BaseModel):
    """One record of a domain as it was last looked at."""

    model_config = ConfigDict(frozen=True)

    record: DnsRecord
    result: DnsResult
    label: str = Field(description="The result in words.")
    code: str
    sentence: str = Field(description="What the record says, in words.")
    detail: str = Field(description="What it is about: a term, a name, a number.")
    step: str = Field(description="What to do about it.")
    checked_at: datetime
    bad_since: datetime | None


class Domain(BaseModel):
    """A sending domain with its records."""

    model_config = ConfigDict(frozen=True)

    domain: str
    closed: ClosedDomain | None = Field(description="Why it is not sent from; null if it is.")
    records: list[Record]


def load_closed_domains(connection: sa.Connection) -> list[ClosedDomain]:
    """Return the domains that are not sent from, by name."""
    gates = sorted(load_gated_domains(connection).values(), key=lambda gate: gate.domain)
    return [ClosedDomain.model_validate(gate) for gate in gates]


def load_domains(connection: sa.Connection, domain: str | None = None) -> list[Domain]:
    """Return every domain that was looked at with its records, by name, or one alone."""
    gates = load_gated_domains(connection)
    groups = groupby(load_findings(connection, domain), key=lambda found: found.domain)
    return [_build_domain(name, list(found), gates.get(name)) for name, found in groups]


def _build_domain(name: str, found: list[StoredFinding], gate: GatedDomain | None) -> Domain:
    order = list(DnsRecord)
    return Domain(
        domain=name,
        closed=ClosedDomain.model_validate(gate) if gate else None,
        records=[_build_record(item) for item in sorted(found, key=lambda item: order.index(item.record))],
    )


def _build_record(found: StoredFinding) -> Record:
    reason = found.finding.reason
    return Record(
        record=found.record,
        result=reason.result,
        label=RESULT_LABELS[reason.result],
        code=reason.code,
        sentence=reason.message,
        detail=found.finding.detail,
        step=reason.remedy_for(found.domain),
        checked_at=found.checked_at,
        bad_since=found.bad_since,
    )

"""What one look at one record found."""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.vocabulary import DnsResult
from gmail_warmup.warmup.dns_reasons import DNS_REASONS, DnsReason


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A record's result: the code of its reason, and what it is about (a term, a name, a number)."""

    code: str
    detail: str = ""

    @property
    def reason(self) -> DnsReason:
        """Return the reason with its sentence and its step."""
        return DNS_REASONS[self.code]

    @property
    def result(self) -> DnsResult:
        """Return ok, bad or could not tell."""
        return self.reason.result


def found(code: str, detail: str = "") -> Finding:
    """Return a finding."""
    return Finding(code=code, detail=detail[:200])

"""Reason codes of the DNS records of a sending domain, shared by command, page and gate.

Sources: RFC 7208 (SPF), RFC 7489 (DMARC), RFC 6376 (DKIM), Google's "Email sender guidelines".
"""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.enums import DnsResult
from gmail_warmup.core.reasons import ReasonBase, ReasonTable, build_reason_table
from gmail_warmup.core.text import to_storable_text


@dataclass(frozen=True, kw_only=True)
class DnsReason(ReasonBase):
    """A reason code with its texts; ``{domain}`` in a remedy stands for the domain."""

    result: DnsResult

    def remedy_for(self, domain: str) -> str:
        """Return what to do about it at a domain."""
        return self.remedy.format(domain=domain)


_SPF_REMEDY = (
    'Publish one TXT record at {domain}: "v=spf1 include:_spf.google.com ~all". Include your other senders in it.'
)
_DMARC_REMEDY = 'Publish one TXT record at _dmarc.{domain}: "v=DMARC1; p=none".'
_DKIM_REMEDY = (
    "In the Admin console, open Gmail, Authenticate email: generate a key for {domain}, publish it, then start "
    "authentication."
)
_NO_ACTION = "No action needed; the record is looked up again automatically."

_ROWS = (
    ("ok", DnsResult.OK, "The record is correct.", ""),
    ("no_answer", DnsResult.COULD_NOT_TELL, "The name servers did not answer.", _NO_ACTION),
    # SPF
    ("spf_missing", DnsResult.BAD, "There is no SPF record.", _SPF_REMEDY),
    ("spf_several", DnsResult.BAD, "There is more than one SPF record, so receivers ignore all of them "
     "(RFC 7208, 4.5).", "Merge them into one record. " + _SPF_REMEDY),
    ("spf_everybody", DnsResult.BAD, "The SPF record allows every server to send (+all).",
     "End the record with ~all or -all."),
    ("spf_without_google", DnsResult.BAD, "The SPF record does not allow Google's servers to send.", _SPF_REMEDY),
    ("spf_syntax", DnsResult.BAD, "The SPF record, or one that it includes, is malformed, so receivers ignore it.",
     "Correct the term that is shown."),
    ("spf_include_missing", DnsResult.BAD, "The SPF record includes a domain that has no SPF record (RFC 7208, 5.2).",
     "Remove or correct the include that is shown."),
    ("spf_too_many_lookups", DnsResult.BAD, "The SPF record needs more than 10 DNS lookups (RFC 7208, 4.6.4).",
     "Remove the includes of services that you no longer use."),
    ("spf_macros", DnsResult.COULD_NOT_TELL, "The result of the SPF record depends on the sending server (macros, "
     "exists).", "Send a mail from the domain and check that its headers contain spf=pass."),
    # DMARC
    ("dmarc_missing", DnsResult.BAD, "There is no DMARC record.", _DMARC_REMEDY),
    ("dmarc_several", DnsResult.BAD, "There is more than one DMARC record, so receivers ignore all of them "
     "(RFC 7489, 6.6.3).", "Remove all but one of them."),
    ("dmarc_policy", DnsResult.BAD, "The DMARC record has no valid policy p=.",
     "Write p=none, p=quarantine or p=reject after v=DMARC1."),
    # DKIM
    ("dkim_missing", DnsResult.BAD, "There is no DKIM key for the selector.", _DKIM_REMEDY),
    ("dkim_several", DnsResult.BAD, "There is more than one DKIM record for the selector (RFC 6376, 3.6.2.2).",
     "Remove all but the one that the Admin console shows."),
    ("dkim_revoked", DnsResult.BAD, "The DKIM key is revoked: p= is empty.", _DKIM_REMEDY),
    ("dkim_malformed", DnsResult.BAD, "The DKIM record contains no valid key.",
     "Publish the complete value that the Admin console shows."),
)  # fmt: skip

DNS_REASONS: ReasonTable[DnsReason] = build_reason_table(
    DnsReason(code=code, result=result, message=message, remedy=remedy) for code, result, message, remedy in _ROWS
)
"""Every reason code of a DNS record."""


@dataclass(frozen=True, kw_only=True)
class RecordFinding:
    """The result of checking a record: its reason code, and a detail such as a term, a name or a number."""

    code: str
    detail: str = ""

    @property
    def reason(self) -> DnsReason:
        """Return the reason with message and remedy."""
        return DNS_REASONS.look_up(self.code, "no_answer")

    @property
    def result(self) -> DnsResult:
        """Return ok, bad or could not tell."""
        return self.reason.result


def make_finding(code: str, detail: str = "") -> RecordFinding:
    """Return a finding with a detail of at most 200 characters."""
    return RecordFinding(code=code, detail=to_storable_text(detail[:200]))

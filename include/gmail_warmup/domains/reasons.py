"""What a domain's records say, in one table that command, page and gate share.

Sources: RFC 7208 (SPF), RFC 7489 (DMARC), RFC 6376 (DKIM), Google's "Email sender guidelines".
"""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.enums import DnsResult


@dataclass(frozen=True, kw_only=True)
class DnsReason:
    """A reason code with its meaning for people; ``{domain}`` in a step stands for the domain."""

    code: str
    result: DnsResult
    message: str
    remedy: str

    def remedy_for(self, domain: str) -> str:
        """Return what to do about it at a domain."""
        return self.remedy.format(domain=domain)


_SPF_REMEDY = (
    'Publish one TXT record at {domain}: "v=spf1 include:_spf.google.com ~all", with your other senders in it.'
)
_DMARC_REMEDY = 'Publish one TXT record at _dmarc.{domain}: "v=DMARC1; p=none".'
_DKIM_REMEDY = "In the Admin console, under Gmail, Authenticate email: make a key for {domain}, publish it, start."
_NO_ACTION_NEEDED = "Nothing to do: it is looked up again by itself."


def _build_table(*rows: tuple[str, DnsResult, str, str]) -> dict[str, DnsReason]:
    return {code: DnsReason(code=code, result=result, message=text, remedy=step) for code, result, text, step in rows}


DNS_REASONS: dict[str, DnsReason] = _build_table(
    ("ok", DnsResult.OK, "The record is right.", ""),
    ("no_answer", DnsResult.COULD_NOT_TELL, "The name servers gave no answer.", _NO_ACTION_NEEDED),
    # SPF
    ("spf_missing", DnsResult.BAD, "There is no SPF record.", _SPF_REMEDY),
    ("spf_several", DnsResult.BAD, "There is more than one SPF record, so receivers use none (RFC 7208, 4.5).",
     "Join them: " + _SPF_REMEDY),
    ("spf_everybody", DnsResult.BAD, "The SPF record lets every server of the world send (+all).",
     "End the record with ~all or -all."),
    ("spf_without_google", DnsResult.BAD, "The SPF record does not let Google's servers send.", _SPF_REMEDY),
    ("spf_syntax", DnsResult.BAD, "The SPF record, or one that it includes, is malformed, so receivers use none.",
     "Correct the term that is named."),
    ("spf_include_missing", DnsResult.BAD, "The SPF record includes a domain that has no SPF record (RFC 7208, 5.2).",
     "Remove or correct the include that is named."),
    ("spf_too_many_lookups", DnsResult.BAD, "The SPF record needs more than 10 lookups (RFC 7208, 4.6.4).",
     "Remove includes of services that you do not use any more."),
    ("spf_macros", DnsResult.COULD_NOT_TELL, "The SPF record depends on the sending server (macros, exists).",
     "Send a mail from the domain and look for spf=pass in its headers."),
    # DMARC
    ("dmarc_missing", DnsResult.BAD, "There is no DMARC record.", _DMARC_REMEDY),
    ("dmarc_several", DnsResult.BAD, "There is more than one DMARC record, so receivers use none (RFC 7489, 6.6.3).",
     "Keep one of them."),
    ("dmarc_policy", DnsResult.BAD, "The DMARC record has no valid policy p=.",
     "Write p=none, p=quarantine or p=reject behind v=DMARC1."),
    # DKIM
    ("dkim_missing", DnsResult.BAD, "There is no DKIM key for the selector.", _DKIM_REMEDY),
    ("dkim_several", DnsResult.BAD, "There is more than one DKIM record for the selector (RFC 6376, 3.6.2.2).",
     "Keep the one that the Admin console shows."),
    ("dkim_revoked", DnsResult.BAD, "The DKIM key is revoked: p= is empty.", _DKIM_REMEDY),
    ("dkim_malformed", DnsResult.BAD, "The DKIM record holds no key that can be read.",
     "Paste the whole value that the Admin console shows."),
)  # fmt: skip
"""Every reason code of a record."""


@dataclass(frozen=True, kw_only=True)
class RecordFinding:
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


def make_finding(code: str, detail: str = "") -> RecordFinding:
    """Return a finding."""
    return RecordFinding(code=code, detail=detail[:200])

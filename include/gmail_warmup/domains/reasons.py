"""Reason codes of the DNS records of a sending domain, shared by command, page and gate.

Each message says what receivers do. Sources: RFC 7208 (SPF), RFC 9989 (DMARC), RFC 6376 and RFC 8301 (DKIM), Google's
"Email sender guidelines".
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
    ("spf_missing", DnsResult.BAD, "There is no SPF record. Receivers cannot authenticate Google's servers by SPF.",
     _SPF_REMEDY),
    ("spf_several", DnsResult.BAD, "There is more than one SPF record, here or at a domain that is included. "
     "Receivers answer permerror and use none of them (RFC 7208, 4.5).",
     "Merge them into one record. " + _SPF_REMEDY),
    ("spf_without_google", DnsResult.BAD, "The SPF record does not allow Google's servers to send. Mail from "
     "Google fails SPF.", _SPF_REMEDY),
    ("spf_syntax", DnsResult.BAD, "The SPF record, or one that it includes, is malformed. Receivers answer "
     "permerror and use no part of it (RFC 7208, 4.6).", "Correct the term that is shown."),
    ("spf_include_missing", DnsResult.BAD, "The SPF record includes, or redirects to, a domain without an SPF "
     "record. Receivers answer permerror (RFC 7208, 5.2).", "Remove or correct the term that is shown."),
    ("spf_too_many_lookups", DnsResult.BAD, "The SPF record needs more than 10 DNS lookups before it allows "
     "Google's servers. Receivers answer permerror (RFC 7208, 4.6.4).",
     "Move include:_spf.google.com to the front, and remove the services that you no longer use."),
    ("spf_void_lookups", DnsResult.BAD, "More than two names in the SPF record do not exist. Receivers answer "
     "permerror (RFC 7208, 4.6.4).", "Remove the names that no longer exist."),
    ("spf_macros", DnsResult.COULD_NOT_TELL, "The result of the SPF record depends on the single mail or server "
     "(macros). Receivers answer differently for each.",
     "Send a mail from the domain and check that its headers contain spf=pass."),
    ("spf_part_of_google", DnsResult.WARNING, "The SPF record allows only a part of Google's servers. Mail fails "
     "SPF when Google sends it from another one.", "Use include:_spf.google.com instead of a list of addresses."),
    ("spf_behind_google", DnsResult.WARNING, "Mail from Google passes SPF, but behind Google's servers the record "
     "has an error: receivers answer permerror for your other servers.", "Correct the term that is shown."),
    ("spf_everybody", DnsResult.WARNING, "The SPF record allows every server to send. Mail from Google passes SPF, "
     "but so does every forgery, and receivers trust the domain less.", "End the record with ~all or -all."),
    # DMARC
    ("dmarc_missing", DnsResult.BAD, "There is no DMARC record. Receivers apply no policy; Gmail requires a record "
     "from everybody who sends 5,000 mails a day.", _DMARC_REMEDY),
    ("dmarc_several", DnsResult.BAD, "There is more than one DMARC record. Receivers ignore all of them (RFC 9989, "
     "4.10).", "Remove all but one of them."),
    ("dmarc_policy", DnsResult.BAD, "The DMARC record has an invalid policy in p=, sp= or np=, and no valid "
     "address in rua=. Receivers apply no DMARC to the mail (RFC 9989, 4.10.1).",
     "Write p=none, p=quarantine or p=reject after v=DMARC1; the same values are valid for sp= and np=."),
    ("dmarc_invalid_policy", DnsResult.WARNING, "The DMARC record has an invalid policy in p=, sp= or np=. "
     "Receivers apply p=none, because rua= is valid (RFC 9989, 4.10.1).",
     "Write none, quarantine or reject in each of them."),
    ("dmarc_without_policy", DnsResult.WARNING, "The DMARC record has no policy p=. Receivers apply p=none (RFC "
     "9989, 4.7); older ones ignore the record.", "Write p=none, p=quarantine or p=reject after v=DMARC1."),
    ("dmarc_several_ignored", DnsResult.WARNING, "There is more than one DMARC record at a name. Receivers ignore "
     "them and apply the record of a domain above (RFC 9989, 4.10).", "Remove all but one of them."),
    ("dmarc_repeated_tag", DnsResult.WARNING, "The DMARC record has a tag twice. Receivers use one of them, or "
     "ignore the record.", "Remove one of them."),
    ("dmarc_ignored_part", DnsResult.WARNING, "A part of the DMARC record is malformed. Receivers ignore this part "
     "(RFC 9989, 4.8).", "Correct the part that is shown."),
    ("dmarc_public_suffix", DnsResult.WARNING, "Only the public suffix above the domain has a DMARC record. "
     "Receivers apply its policy (RFC 9989, 4.10); older ones find no record.", _DMARC_REMEDY),
    # DKIM
    ("dkim_missing", DnsResult.BAD, "There is no DKIM key for the selector. Receivers cannot verify signatures "
     "with this domain; without a key, Gmail signs with a domain of its own.", _DKIM_REMEDY),
    ("dkim_several", DnsResult.BAD, "There is more than one DKIM record for the selector. Receivers use any of "
     "them, or none (RFC 6376, 3.6.2.2).", "Remove all but the one that the Admin console shows."),
    ("dkim_revoked", DnsResult.BAD, "The DKIM key is revoked: p= is empty. Receivers reject every signature with "
     "it.", _DKIM_REMEDY),
    ("dkim_malformed", DnsResult.BAD, "The DKIM record contains no valid key. Receivers ignore the signature.",
     "Publish the complete value that the Admin console shows."),
    ("dkim_not_for_mail", DnsResult.BAD, "The DKIM key does not allow Gmail's signatures. Receivers ignore them.",
     "Publish the value that the Admin console shows, without s= and h=."),
    ("dkim_weak_key", DnsResult.BAD, "The DKIM key has less than 1,024 bits. Receivers ignore the signature (RFC "
     "8301, 3.2).", _DKIM_REMEDY),
    ("dkim_short_key", DnsResult.WARNING, "The DKIM key has less than 2,048 bits. Receivers accept it; Google "
     "recommends 2,048.", "Generate a key of 2,048 bits in the Admin console, and publish it."),
    ("dkim_long_key", DnsResult.WARNING, "The DKIM key has more than 4,096 bits. Receivers need not support it "
     "(RFC 8301, 3.2).", "Generate a key of 2,048 bits in the Admin console, and publish it."),
    ("dkim_key_format", DnsResult.WARNING, "The DKIM key is in the format PKCS#1. Some receivers accept only "
     "SubjectPublicKeyInfo and ignore the signature.", "Publish the value that the Admin console shows."),
    ("dkim_testing", DnsResult.WARNING, "The DKIM key is in test mode (t=y). Receivers may treat signed mail like "
     "unsigned mail.", "Publish the record without t=y."),
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
        """Return ok, warning, bad or could not tell."""
        return self.reason.result


def make_finding(code: str, detail: str = "") -> RecordFinding:
    """Return a finding with a detail of at most 200 characters."""
    return RecordFinding(code=code, detail=to_storable_text(detail[:200]))

"""Reason codes of a domain whose mail Google does not authenticate, shared by page, alerts and doctor."""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.reasons import ReasonBase, ReasonTable, build_reason_table


@dataclass(frozen=True, kw_only=True)
class AuthenticationReason(ReasonBase):
    """A reason code with its texts; ``DOMAIN`` in a remedy stands for the domain."""

    def remedy_for(self, domain: str) -> str:
        """Return what to do about it at a domain."""
        return self.remedy.replace("DOMAIN", domain or "the domain")


_COMPARE_RECORDS = (
    "Run: gmail-warmup dns. Correct the SPF record of DOMAIN; in the Admin console, open Gmail, Authenticate email, "
    "publish the key of DOMAIN and start authentication. Pause its mailboxes if that takes longer than a day."
)
_ROWS = (
    ("dmarc_failed", "Google reports that the last mails of the domain fail DMARC, so receivers reject them or deliver "
     "them to spam.", _COMPARE_RECORDS),
    ("unauthenticated", "Google reports that neither SPF nor DKIM passes for the last mails of the domain.",
     _COMPARE_RECORDS),
)  # fmt: skip

AUTHENTICATION_REASONS: ReasonTable[AuthenticationReason] = build_reason_table(
    AuthenticationReason(code=code, message=message, remedy=remedy) for code, message, remedy in _ROWS
)
"""Every reason code of a domain whose mail is not authenticated."""

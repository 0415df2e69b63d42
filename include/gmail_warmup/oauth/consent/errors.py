"""Reasons for which a consent is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gmail_warmup.core.enums import ConsentPurpose, ResponseCategory
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.oauth.reasons import Reason


class ConsentRefusal(StrEnum):
    """Why a callback was refused; nothing was changed."""

    UNKNOWN_LINK = "unknown_link"
    """The state is unknown, or belongs to another user or browser."""
    EXPIRED_LINK = "expired_link"
    """The callback came after the time limit of the consent."""
    REPLAYED_LINK = "replayed_link"
    """The link has already been used."""
    INVITE_OVER = "invite_over"
    """The invite was revoked or expired after the consent began."""
    MAILBOX_REMOVED = "mailbox_removed"
    """The mailbox was removed after the consent began."""
    CANCELLED = "cancelled"
    """The user cancelled on Google's page."""
    REFUSED_BY_GOOGLE = "refused_by_google"
    """Google returned another error."""
    SCOPE_UNTICKED = "scope_unticked"
    """The scope for Gmail was not granted."""
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105  a code, not a secret
    """Google returned no refresh token."""
    WRONG_ACCOUNT = "wrong_account"
    """The user signed in with another mailbox than the expected one."""
    DECISION_OVER = "decision_over"
    """The result of the consent was kept for a decision, and is not any more."""
    CODE_USED = "code_used"
    """The authorization code was already used, or is too old."""
    REDIRECT_URI_MISMATCH = "redirect_uri_mismatch"
    """The redirect URI is missing in the OAuth client."""
    GOOGLE_UNREACHABLE = "google_unreachable"
    """Google could not be reached, or gave no usable answer."""
    NETWORK_FAILED = "network_failed"
    """The certificate is not trusted, or the proxy refuses the connection."""
    TEMPORARILY_REFUSED = "temporarily_refused"
    """Google limits the rate of requests, or its answer may change."""
    MAILBOX_REFUSED = "mailbox_refused"
    """Gmail is not usable for this account: switched off, or blocked by an administrator."""
    CLIENT_REFUSED = "client_refused"
    """Google refused the OAuth client, its project or our request."""


class Evidence(StrEnum):
    """Whether the account that signed in is the one that the mailbox had."""

    CONFIRMED = "confirmed"
    """A recorded mail of the mailbox is in the account."""
    CONTRADICTED = "contradicted"
    """None of the recorded mails is in the account."""
    UNKNOWN = "unknown"
    """Gmail did not answer whether they are, for example because of an outage or a limit."""
    NONE = "none"
    """No mail is recorded."""


_REFUSAL_BY_CODE = {
    "code_used": ConsentRefusal.CODE_USED,
    "redirect_uri_mismatch": ConsentRefusal.REDIRECT_URI_MISMATCH,
    "scope_missing": ConsentRefusal.SCOPE_UNTICKED,
    "tls_untrusted": ConsentRefusal.NETWORK_FAILED,
    "proxy_failed": ConsentRefusal.NETWORK_FAILED,
}
_REFUSAL_BY_CATEGORY = {
    ResponseCategory.TRANSIENT: ConsentRefusal.GOOGLE_UNREACHABLE,
    ResponseCategory.THROTTLED: ConsentRefusal.TEMPORARILY_REFUSED,
    ResponseCategory.AMBIGUOUS: ConsentRefusal.TEMPORARILY_REFUSED,
    ResponseCategory.ACCOUNT: ConsentRefusal.MAILBOX_REFUSED,
    ResponseCategory.BLOCKED: ConsentRefusal.MAILBOX_REFUSED,
    ResponseCategory.UNUSABLE: ConsentRefusal.MAILBOX_REFUSED,
    ResponseCategory.GONE: ConsentRefusal.MAILBOX_REFUSED,
}


def get_refusal(reason: Reason) -> ConsentRefusal:
    """Return the refusal that an answer of Google leads to; its reason code says more."""
    by_category = _REFUSAL_BY_CATEGORY.get(reason.category, ConsentRefusal.CLIENT_REFUSED)
    return _REFUSAL_BY_CODE.get(reason.code, by_category)


@dataclass(frozen=True, kw_only=True)
class ConsentRequest:
    """The purpose of a consent; sufficient to start it again."""

    address: str
    purpose: ConsentPurpose
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the mailbox to add; empty for a re-authentication."""
    consent_id: int | None = None
    """The row of the consent; None before it is stored."""


class ConsentRefusedError(GmailWarmupError):
    """The consent was refused; nothing was changed.

    Attributes:
        refusal: the reason.
        request: the purpose of the consent, or None if the link is unknown.
        actual: the mailbox that signed in, if it is another one than expected.
        evidence: whether that account is the one of the mailbox, if its result is kept for a decision.
        code: Google's error code or our reason code, never a text from a request.
        redirect_uri: the URI that is missing in the OAuth client, if that is the reason.
        retry_after: seconds to wait that Google requested, or None.
    """

    def __init__(
        self,
        refusal: ConsentRefusal,
        *,
        request: ConsentRequest | None = None,
        actual: str = "",
        evidence: Evidence | None = None,
        code: str = "",
        redirect_uri: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.refusal, self.request, self.actual, self.code = refusal, request, actual, code
        self.evidence = evidence
        self.redirect_uri, self.retry_after = redirect_uri, retry_after
        super().__init__(f"consent refused: {refusal.value}")

    @property
    def expected_address(self) -> str:
        """Return the mailbox that should have signed in; empty if the link is unknown."""
        return self.request.address if self.request else ""

"""Reasons for which a consent is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gmail_warmup.core.enums import ConsentPurpose
from gmail_warmup.core.errors import GmailWarmupError


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
    GOOGLE_UNREACHABLE = "google_unreachable"
    """Google could not be reached, or returned a server error."""
    CLIENT_REFUSED = "client_refused"
    """Google refused the OAuth client or our request."""


@dataclass(frozen=True, kw_only=True)
class ConsentRequest:
    """The purpose of a consent; sufficient to start it again."""

    address: str
    purpose: ConsentPurpose
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the mailbox to add; empty for a re-authentication."""


class ConsentRefusedError(GmailWarmupError):
    """The consent was refused; nothing was changed.

    Attributes:
        refusal: the reason.
        request: the purpose of the consent, or None if the link is unknown.
        actual: the mailbox that signed in, if it is another one than expected.
        code: Google's error code or our reason code, never a text from a request.
    """

    def __init__(
        self, refusal: ConsentRefusal, *, request: ConsentRequest | None = None, actual: str = "", code: str = ""
    ) -> None:
        self.refusal, self.request, self.actual, self.code = refusal, request, actual, code
        super().__init__(f"consent refused: {refusal.value}")

    @property
    def expected_address(self) -> str:
        """Return the mailbox that should have signed in; empty if the link is unknown."""
        return self.request.address if self.request else ""

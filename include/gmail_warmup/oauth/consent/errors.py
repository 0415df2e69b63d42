"""Why a consent changed nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gmail_warmup.core.enums import ConsentPurpose
from gmail_warmup.core.errors import GmailWarmupError


class ConsentRefusal(StrEnum):
    """Why a callback changed nothing."""

    UNKNOWN_LINK = "unknown_link"
    """The state is none of ours, or belongs to another user or browser."""
    EXPIRED_LINK = "expired_link"
    """More than the consent's minutes went by."""
    REPLAYED_LINK = "replayed_link"
    """The link was used before."""
    INVITE_OVER = "invite_over"
    """The invite was revoked, or expired, since the consent began."""
    CANCELLED = "cancelled"
    """The person pressed Cancel at Google."""
    REFUSED_BY_GOOGLE = "refused_by_google"
    """Google came back with an error of its own."""
    SCOPE_UNTICKED = "scope_unticked"
    """The box for Gmail was not ticked."""
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105  a code, not a secret
    """Google gave no refresh token."""
    WRONG_ACCOUNT = "wrong_account"
    """Another mailbox signed in than the expected one."""
    GOOGLE_UNREACHABLE = "google_unreachable"
    """Google could not be reached, or answered with an outage."""
    CLIENT_REFUSED = "client_refused"
    """Google refused our OAuth client or request."""


@dataclass(frozen=True, kw_only=True)
class ConsentRequest:
    """What a consent was started for; enough to start it again."""

    address: str
    purpose: ConsentPurpose
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the mailbox to be added; empty for a re-authentication."""


class ConsentRefusedError(GmailWarmupError):
    """The consent changed nothing.

    Attributes:
        refusal: why.
        begun: what it was for, or None where the link is not known.
        actual: the mailbox that signed in, where it was another one than expected.
        code: Google's error code or our reason code, never a text from outside.
    """

    def __init__(
        self, refusal: ConsentRefusal, *, begun: ConsentRequest | None = None, actual: str = "", code: str = ""
    ) -> None:
        self.refusal, self.begun, self.actual, self.code = refusal, begun, actual, code
        super().__init__(f"consent refused: {refusal.value}")

    @property
    def expected_address(self) -> str:
        """Return the mailbox that should have signed in; empty where the link is not known."""
        return self.begun.address if self.begun else ""

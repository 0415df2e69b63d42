"""Errors raised if there is no access token for a mailbox, one class per cause."""

from __future__ import annotations

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.oauth.reasons import Reason


class GrantError(GmailWarmupError):
    """No access token for a mailbox.

    Attributes:
        address: the mailbox.
        reason: from Google's response or from the stored grant.
        retry_after: seconds that Google requested to wait, or None.
    """

    def __init__(self, address: str, reason: Reason, retry_after: float | None = None) -> None:
        self.address, self.reason, self.retry_after = address, reason, retry_after
        super().__init__(f"{address}: {reason.message} {reason.remedy} [{reason.code}]")


class FlaggedGrantError(GrantError):
    """The mailbox is flagged: it needs a person, an administrator or its next probe. Tasks skip it."""


class SuspectGrantError(GrantError):
    """Google refused the grant once; a second probe decides."""


class TransientGrantError(GrantError):
    """Google, the network or the database failed temporarily; retry later."""


class ThrottledGrantError(TransientGrantError):
    """Google limits the rate of requests."""


class OAuthClientError(GrantError):
    """Google refuses the OAuth client or our request; the grant is not the cause."""


class CircuitOpenError(TransientGrantError):
    """The circuit breaker is open: no requests are sent, and tasks skip the mailbox until it is closed."""


class UnreadableGrantError(GrantError):
    """The stored grant cannot be decrypted."""


_ERROR_BY_CATEGORY: dict[ResponseCategory, type[GrantError]] = {
    ResponseCategory.TRANSIENT: TransientGrantError,
    ResponseCategory.THROTTLED: ThrottledGrantError,
    ResponseCategory.ACCOUNT: FlaggedGrantError,
    ResponseCategory.AMBIGUOUS: SuspectGrantError,
    ResponseCategory.BLOCKED: FlaggedGrantError,
    ResponseCategory.UNUSABLE: FlaggedGrantError,
    ResponseCategory.GONE: FlaggedGrantError,
    ResponseCategory.APP: OAuthClientError,
    ResponseCategory.LOCAL: UnreadableGrantError,
}

_BREAKER_CATEGORIES = (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED, ResponseCategory.APP)


def build_grant_error(
    address: str, reason: Reason, retry_after: float | None = None, *, request_sent: bool = True
) -> GrantError:
    """Return the error for the category of a reason.

    Args:
        request_sent: whether the reason is Google's response, not the cause why no request was sent.
    """
    if not request_sent and reason.category in _BREAKER_CATEGORIES:
        return CircuitOpenError(address, reason, retry_after)
    return _ERROR_BY_CATEGORY[reason.category](address, reason, retry_after)

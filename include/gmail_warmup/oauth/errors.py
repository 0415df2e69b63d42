"""Why no access token could be had, by cause."""

from __future__ import annotations

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.oauth.reasons import Reason


class GrantError(GmailWarmupError):
    """No access token for a mailbox.

    Attributes:
        address: the mailbox.
        reason: what Google, or the row, said.
        retry_after: seconds that Google asked to wait, or None.
    """

    def __init__(self, address: str, reason: Reason, retry_after: float | None = None) -> None:
        self.address, self.reason, self.retry_after = address, reason, retry_after
        super().__init__(f"{address}: {reason.message} {reason.remedy} [{reason.code}]")


class FlaggedGrantError(GrantError):
    """The mailbox needs a person, an administrator, or its next probe; tasks skip it."""


class SuspectGrantError(GrantError):
    """The grant may be dead; a second probe decides."""


class TransientGrantError(GrantError):
    """Google, the network or the database is in trouble; try again later."""


class ThrottledGrantError(TransientGrantError):
    """Google asks for fewer requests."""


class OAuthClientError(GrantError):
    """The OAuth client or our request is wrong; no account is to blame."""


class CircuitOpenError(TransientGrantError):
    """The breaker is open: Google is not asked at present; tasks skip the mailbox until it is closed."""


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


def build_grant_error(
    address: str, reason: Reason, retry_after: float | None = None, *, asked: bool = True
) -> GrantError:
    """Make the error that belongs to a reason's class.

    Args:
        asked: whether the reason is Google's answer now, rather than why Google was not asked.
    """
    if not asked and reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED, ResponseCategory.APP):
        return CircuitOpenError(address, reason, retry_after)
    return _ERROR_BY_CATEGORY[reason.category](address, reason, retry_after)

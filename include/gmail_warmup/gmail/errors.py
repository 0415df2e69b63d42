"""Errors of the Gmail API, one class per cause.

The class depends on Google's reason code: the status 403 alone may mean a rate limit, a missing scope, a policy or the
project's daily cap.
"""

from __future__ import annotations

from gmail_warmup.core.errors import GmailWarmupError


class GmailError(GmailWarmupError):
    """A call of the Gmail API failed.

    Attributes:
        address: the mailbox.
        status: HTTP status, or None if there was no response.
        reason: Google's reason code, or the type of the transport error.
        retry_after: seconds to wait that Google requested, or None.
    """

    meaning = "Gmail rejected the call."

    def __init__(
        self, address: str, *, status: int | None = None, reason: str = "", retry_after: float | None = None
    ) -> None:
        self.address, self.status, self.reason, self.retry_after = address, status, reason, retry_after
        details = ", ".join(filter(None, [str(status or ""), reason]))
        super().__init__(f"{address}: {self.meaning}" + (f" [{details}]" if details else ""))


class GmailUnavailableError(GmailError):
    """Gmail failed or could not be reached. The outcome of a send is unknown: check it before a retry."""

    meaning = "Gmail failed or could not be reached; the call is retried automatically."


class GmailRateLimitError(GmailError):
    """Too many calls per minute, for this mailbox or for the project."""

    meaning = "Gmail limits the rate of calls; the call is retried later."


class SendingLimitError(GmailError):
    """The mailbox reached Google's daily sending limit."""

    meaning = "The mailbox has reached Google's daily sending limit; sending resumes tomorrow."


class ProjectQuotaError(GmailError):
    """The Google Cloud project reached a daily cap that its owner set; Google's own quotas are per minute.

    Source: https://developers.google.com/gmail/api/reference/quota
    """

    meaning = (
        "The daily cap that the Google Cloud project's owner set is reached; raise it in the Cloud console, or wait."
    )


class AccessRejectedError(GmailError):
    """Gmail rejects a fresh access token."""

    meaning = "Gmail rejects a fresh access token; the grant is probed again."


class PreconditionFailedError(GmailError):
    """Gmail says that a precondition failed: mostly temporary; a second call decides."""

    meaning = "A precondition of the call is not met; mostly this passes, and the next call decides."


class ScopeMissingError(GmailError):
    """The grant lacks the Gmail permission."""

    meaning = "The grant lacks the Gmail permission; re-authenticate and keep the Gmail permission ticked."


class BlockedByPolicyError(GmailError):
    """An administrator blocks the app."""

    meaning = "The Workspace administrator blocks this app."


class MailboxUnusableError(GmailError):
    """Gmail is turned off, suspended or locked for this user."""

    meaning = "Gmail is turned off or locked for this user; the mailbox is probed daily."


class GmailApiDisabledError(GmailError):
    """The Gmail API is disabled in the Google Cloud project."""

    meaning = "The Gmail API is disabled in the Google Cloud project; enable it in the Cloud console."


class BadGmailRequestError(GmailError):
    """Gmail rejected the request; a retry cannot succeed."""

    meaning = "Gmail rejected the request."


class NotFoundError(GmailError):
    """The message, draft or label does not exist (any more)."""

    meaning = "The message, draft or label no longer exists in the mailbox."


_ERRORS_BY_REASON: dict[str, type[GmailError]] = {
    "authError": AccessRejectedError,
    "dailyLimitExceeded": ProjectQuotaError,
    "quotaExceeded": GmailRateLimitError,
    "domainPolicy": BlockedByPolicyError,
    "rateLimitExceeded": GmailRateLimitError,
    "userRateLimitExceeded": GmailRateLimitError,
    "insufficientPermissions": ScopeMissingError,
    "accessNotConfigured": GmailApiDisabledError,
    "SERVICE_DISABLED": GmailApiDisabledError,
    "delegationDenied": BadGmailRequestError,
    "failedPrecondition": PreconditionFailedError,
    "notFound": NotFoundError,
}


GRANT_REASON_CODES: dict[type[GmailError], str] = {
    AccessRejectedError: "token_rejected",
    PreconditionFailedError: "precondition_failed",
    ScopeMissingError: "scope_missing",
    BlockedByPolicyError: "blocked_by_admin",
    MailboxUnusableError: "gmail_disabled",
}
"""Reason codes of grants for errors of the Gmail API (not of the token endpoint)."""


def error_from_response(
    address: str, *, status: int, reason: str, message: str, retry_after: float | None
) -> GmailError:
    """Return the error for a response of Gmail; Google's message is evaluated, never shown."""
    if "(Mail sending)" in message:
        kind: type[GmailError] = SendingLimitError
    elif reason == "failedPrecondition" and "not enabled" in message:
        kind = MailboxUnusableError
    elif reason in _ERRORS_BY_REASON:
        kind = _ERRORS_BY_REASON[reason]
    elif status >= 500 or status in (408, 425):
        kind = GmailUnavailableError
    elif status == 401:
        kind = AccessRejectedError
    elif status == 404:
        kind = NotFoundError
    elif status == 429:
        kind = GmailRateLimitError
    else:
        kind = BadGmailRequestError
    return kind(address, status=status, reason=reason, retry_after=retry_after)

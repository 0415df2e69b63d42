"""What Gmail refused, by cause.

Google's reasons matter, not its statuses: a 403 may be a rate, a scope, a policy or the project's cap.
"""

from __future__ import annotations

from gmail_warmup.core.errors import GmailWarmupError


class GmailError(GmailWarmupError):
    """Gmail refused or failed.

    Attributes:
        address: the mailbox.
        status: HTTP status, or None where no answer came.
        reason: Google's reason code, or ours.
        retry_after: seconds that Google asked to wait, or None.
    """

    meaning = "Gmail refused the call."

    def __init__(
        self, address: str, *, status: int | None = None, reason: str = "", retry_after: float | None = None
    ) -> None:
        self.address, self.status, self.reason, self.retry_after = address, status, reason, retry_after
        seen = ", ".join(filter(None, [str(status or ""), reason]))
        super().__init__(f"{address}: {self.meaning}" + (f" [{seen}]" if seen else ""))


class GmailUnavailableError(GmailError):
    """Google failed or could not be reached. For a send the outcome is unknown: look before any retry."""

    meaning = "Gmail could not be reached or failed; it is tried again by itself."


class GmailRateLimitError(GmailError):
    """Too many calls a minute, for this mailbox or for the project."""

    meaning = "Gmail asks for fewer calls; it is tried again later."


class SendingLimitError(GmailError):
    """The mailbox reached Google's sending limit of the day."""

    meaning = "Google's daily sending limit of this mailbox is reached; it sends again tomorrow."


class ProjectQuotaError(GmailError):
    """The Google Cloud project reached its own cap of the day."""

    meaning = "The Google Cloud project's quota of the day is used up; raise it in the Cloud console, or wait."


class AccessRejectedError(GmailError):
    """Gmail rejects a fresh access token."""

    meaning = "Gmail rejects a fresh access token; the grant is probed again."


class ScopeMissingError(GmailError):
    """The grant lacks the Gmail permission."""

    meaning = "The grant lacks the Gmail permission; re-authenticate and leave the box for Gmail ticked."


class BlockedByPolicyError(GmailError):
    """An administrator blocks the app."""

    meaning = "The Workspace's administrator blocks this app."


class MailboxUnusableError(GmailError):
    """Gmail is switched off, suspended or locked for this user."""

    meaning = "Gmail is switched off or locked for this user; it is probed daily."


class GmailApiDisabledError(GmailError):
    """The Gmail API is switched off in the Google Cloud project."""

    meaning = "The Gmail API is switched off in the Google Cloud project; switch it on in the Cloud console."


class BadGmailRequestError(GmailError):
    """Gmail does not accept the request; repeating it cannot help."""

    meaning = "Gmail does not accept the request."


class NotFoundError(GmailError):
    """The message, draft or label is not there (any more)."""

    meaning = "It is not in the mailbox any more."


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
    "failedPrecondition": MailboxUnusableError,
    "notFound": NotFoundError,
}


def error_from_response(
    address: str, *, status: int, reason: str, message: str, retry_after: float | None
) -> GmailError:
    """Make the error for one answer of Gmail; the message is looked at, never shown."""
    if "(Mail sending)" in message:
        kind: type[GmailError] = SendingLimitError
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

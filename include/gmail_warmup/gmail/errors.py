"""Errors of the Gmail API: one class per reaction. The table in ``oauth.answers`` decides which response is which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.oauth.answers import Answer, find_reason
from gmail_warmup.oauth.reasons import REASONS, Reason


class GmailError(GmailWarmupError):
    """A call of the Gmail API failed.

    Attributes:
        address: the mailbox.
        status: HTTP status, or None if there was no response.
        reason: Google's reason code, or the type of the transport error.
        meaning: what the table says about it.
        retry_after: seconds to wait that Google requested, or None.
    """

    default_code: ClassVar[str] = "unknown_answer"

    def __init__(
        self,
        address: str,
        *,
        code: str | None = None,
        status: int | None = None,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.address, self.status, self.reason, self.retry_after = address, status, reason, retry_after
        self.meaning: Reason = REASONS[code or self.default_code]
        details = ", ".join(filter(None, [str(status or ""), reason or self.meaning.code]))
        super().__init__(f"{address}: {self.meaning.message} {self.meaning.remedy} [{details}]")

    @property
    def concerns_mailbox_rate(self) -> bool:
        """Return whether a waiting time in the answer is for this mailbox, not for the project or for sending only."""
        return self.meaning.code in ("mailbox_throttled", "server_error")

    @property
    def concerns_project_rate(self) -> bool:
        """Return whether a waiting time in the answer is for the whole project."""
        return self.meaning.code in ("throttled", "project_quota")


class GmailUnavailableError(GmailError):
    """Gmail failed, could not be reached, or its answer is unknown.

    The outcome of a send is unknown: check it before a retry.
    """

    default_code = "server_error"


class GmailRateLimitError(GmailError):
    """Too many calls per minute, for this mailbox or for the project."""

    default_code = "mailbox_throttled"


class SendingLimitError(GmailError):
    """The mailbox reached Google's daily sending limit."""

    default_code = "sending_limit_reached"


class ProjectQuotaError(GmailError):
    """The Google Cloud project reached a daily cap that its owner set."""

    default_code = "project_quota"


class AccessRejectedError(GmailError):
    """Gmail rejects a fresh access token."""

    default_code = "token_rejected"


class PreconditionFailedError(GmailError):
    """Gmail says that a precondition failed: mostly temporary; a second call decides."""

    default_code = "precondition_failed"


class ScopeMissingError(GmailError):
    """The grant lacks the Gmail permission."""

    default_code = "scope_missing"


class BlockedByPolicyError(GmailError):
    """An administrator blocks the app."""

    default_code = "blocked_by_admin"


class MailboxUnusableError(GmailError):
    """Gmail is turned off for this user."""

    default_code = "gmail_disabled"


class GmailApiDisabledError(GmailError):
    """The Gmail API is disabled in the Google Cloud project."""

    default_code = "api_disabled"


class BadGmailRequestError(GmailError):
    """Gmail rejected the request; a retry cannot succeed."""

    default_code = "request_refused"


class NotFoundError(GmailError):
    """The message, draft or label does not exist (any more)."""

    default_code = "not_found"


_ERROR_BY_CODE: Mapping[str, type[GmailError]] = {
    kind.default_code: kind
    for kind in (
        GmailRateLimitError, SendingLimitError, ProjectQuotaError, AccessRejectedError, PreconditionFailedError,
        ScopeMissingError, BlockedByPolicyError, MailboxUnusableError, GmailApiDisabledError, BadGmailRequestError,
        NotFoundError,
    )
} | {"throttled": GmailRateLimitError}  # fmt: skip
"""The classes by reason code. Every other reason is transient."""


def error_from_answer(address: str, answer: Answer) -> GmailError:
    """Return the error for an answer of Gmail; Google's message is compared, never shown."""
    code = find_reason(answer).code
    kind = _ERROR_BY_CODE.get(code, GmailUnavailableError)
    reason = next(iter(answer.errors), "")
    return kind(address, code=code, status=answer.status, reason=reason, retry_after=answer.retry_after)


class UnknownOutcomeError(GmailWarmupError):
    """It cannot be told whether a mail was sent, so it is not sent again.

    Look in the Sent folder of the mailbox. To send it again, use another idempotency key, or a new run.
    """

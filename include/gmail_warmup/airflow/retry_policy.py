"""Retry tasks by the cause of their failure; permanent errors fail immediately."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

_PERMANENT_ERRORS = (
    "gmail_warmup.core.errors.ConfigurationError",
    "gmail_warmup.core.errors.InvalidInputError",
    "gmail_warmup.warmup.content.template_library.NoTemplatesError",
    "gmail_warmup.oauth.errors.OAuthClientError",
    "gmail_warmup.oauth.errors.UnreadableGrantError",
    "gmail_warmup.gmail.errors.UnknownOutcomeError",
    "gmail_warmup.gmail.errors.SendingLimitError",
    "gmail_warmup.gmail.errors.ProjectQuotaError",
    "gmail_warmup.gmail.errors.GmailApiDisabledError",
    "gmail_warmup.gmail.errors.BadGmailRequestError",
    "gmail_warmup.gmail.errors.AccessRejectedError",
    "gmail_warmup.gmail.errors.ScopeMissingError",
    "gmail_warmup.gmail.errors.BlockedByPolicyError",
    "gmail_warmup.gmail.errors.MailboxUnusableError",
)

RETRY_BY_CAUSE = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=list(_PERMANENT_ERRORS), action=RetryAction.FAIL, reason="permanent error"),
        RetryRule(
            exception="gmail_warmup.core.errors.MailboxBusyError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=30),
            reason="another task has leased this mailbox",
        ),
        RetryRule(
            exception=[
                "gmail_warmup.gmail.errors.GmailRateLimitError",
                "gmail_warmup.oauth.errors.ThrottledGrantError",
            ],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=2),
            reason="rate limit of Google",
        ),
    ]
)
"""The policy of every task. It names exceptions by path, so that DAG files need not import them."""

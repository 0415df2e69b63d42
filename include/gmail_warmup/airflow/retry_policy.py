"""Retries by cause: what helps is repeated, what cannot help fails at once."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

_PERMANENT_ERRORS = (
    "gmail_warmup.core.errors.ConfigurationError",
    "gmail_warmup.core.errors.InvalidInputError",
    "gmail_warmup.oauth.errors.OAuthClientError",
    "gmail_warmup.oauth.errors.UnreadableGrantError",
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
        RetryRule(exception=list(_PERMANENT_ERRORS), action=RetryAction.FAIL, reason="repeating it cannot help"),
        RetryRule(
            exception="gmail_warmup.core.errors.MailboxBusyError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=30),
            reason="another task works in this mailbox",
        ),
        RetryRule(
            exception=[
                "gmail_warmup.gmail.errors.GmailRateLimitError",
                "gmail_warmup.oauth.errors.ThrottledGrantError",
            ],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=2),
            reason="Google asks for fewer calls",
        ),
    ]
)
"""The policy of every task; named by path, so that a DAG file imports none of the classes."""

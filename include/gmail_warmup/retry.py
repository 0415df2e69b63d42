"""Retries by cause: what helps is repeated, what cannot help fails at once."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

_NEVER = (
    "gmail_warmup.errors.ConfigurationError",
    "gmail_warmup.errors.InvalidInputError",
    "gmail_warmup.grants.errors.OAuthClientError",
    "gmail_warmup.grants.errors.UnreadableGrantError",
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
        RetryRule(exception=list(_NEVER), action=RetryAction.FAIL, reason="repeating it cannot help"),
        RetryRule(
            exception="gmail_warmup.errors.MailboxBusyError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=30),
            reason="another task works in this mailbox",
        ),
        RetryRule(
            exception=[
                "gmail_warmup.gmail.errors.GmailRateLimitError",
                "gmail_warmup.grants.errors.ThrottledGrantError",
            ],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=2),
            reason="Google asks for fewer calls",
        ),
    ]
)
"""The policy of every task; named by path, so that a DAG file imports none of the classes."""

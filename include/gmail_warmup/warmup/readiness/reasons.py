"""Reason codes of the readiness of a mailbox, in addition to those that keep it from sending."""

from __future__ import annotations

from gmail_warmup.core.reasons import ReasonTable, build_reason_table
from gmail_warmup.warmup.health.reasons import WarmupReason

_WAIT = "No action needed; it ends automatically."

_ROWS = (
    ("ready", "Its ramp is complete and its mail arrives.", ""),
    ("watched", "Its mail arrives, but spam or bounces are raised: half of the cold mails.",
     "Check SPF, DKIM and DMARC of its domain and the content of its cold mail."),
    ("ramp_running", "Its ramp is not complete.", _WAIT),
    ("sample_too_small", "Fewer than 20 of its mails of the last seven days have a known placement.",
     "No action needed, unless it sends fewer than four mails a day: then raise its target."),
    ("domain_spam", "At least 10 % of the mails of its domain of the last seven days were placed in spam, or 20 % of "
     "those of the last two days.",
     "Check SPF, DKIM and DMARC of its domain and what else its mailboxes send. It ends when the share is lower."),
    ("unauthenticated", "Google does not authenticate the mail of its domain.",
     "See the records and Google's reports of its domain on the mailbox's page."),
    ("not_working", "Its tasks keep failing.", "See the cause on the mailbox's page."),
    ("pool_mailbox", "It is a pool mailbox now.", ""),
)  # fmt: skip

READINESS_REASONS: ReasonTable[WarmupReason] = build_reason_table(
    WarmupReason(code=code, message=message, remedy=remedy) for code, message, remedy in _ROWS
)
"""Reason codes of a mailbox that nothing keeps from sending."""

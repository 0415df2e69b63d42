"""Reason codes of mailboxes that send less than their ramp allows, or nothing; shared by page, logs and alerts."""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.reasons import ReasonBase, ReasonTable, build_reason_table


@dataclass(frozen=True, kw_only=True)
class WarmupReason(ReasonBase):
    """A reason code with its texts; ``ADDRESS`` in a remedy stands for the mailbox."""

    def remedy_for(self, address: str) -> str:
        """Return the remedy for a mailbox."""
        return self.remedy.replace("ADDRESS", address)


_NO_ACTION_NEEDED = "No action needed; it ends automatically."
_CHECK_DOMAIN = (
    "Check SPF, DKIM and DMARC of its domain and what else the mailbox sends; send fewer cold mails meanwhile."
)
_RETURNS_AFTER_REST = "After its rest it automatically sends a small fresh sample. " + _CHECK_DOMAIN
_REQUALIFY_MAILBOX = _CHECK_DOMAIN + " Then: gmail-warmup mailboxes requalify ADDRESS"
_CHECK_BOUNCES = "Check the bounces in its inbox for the recipients that refuse its mail, and their reasons."
_CHECK_REJECTIONS = (
    "Read on its page what the receiving servers answered. Check SPF, DKIM and DMARC of its domain, and block lists; "
    "send fewer cold mails meanwhile."
)
_ENLARGE_POOL = "Add pool mailboxes, re-authenticate flagged ones, or raise pool_daily_cap or partner_daily_cap."


_ROWS = (
    # Health: every band below healthy, and the way back.
    ("spam_some", "At least 10 % of its mails of the last seven days were placed in spam.", _CHECK_DOMAIN),
    ("spam_much", "At least 15 % of its mails of the last seven days were placed in spam; it sends less.",
     _CHECK_DOMAIN),
    ("spam_too_much", "At least 20 % of its mails of the last seven days were placed in spam; it is paused.",
    _RETURNS_AFTER_REST),
    ("spam_mostly", "At least 40 % of its mails of the last seven days were placed in spam; it is stopped.",
    _REQUALIFY_MAILBOX),
    ("bounces_some", "At least 2 % of its mails of the last seven days bounced.", _CHECK_BOUNCES),
    ("bounces_much", "At least 3 % of its mails of the last seven days bounced; it sends less.", _CHECK_BOUNCES),
    ("bounces_too_many", "At least 5 % of its mails of the last seven days bounced; it is paused.", _CHECK_BOUNCES),
    ("bounces_mostly", "At least 10 % of its mails of the last seven days bounced; it is stopped.",
     _CHECK_BOUNCES + " Then: gmail-warmup mailboxes requalify ADDRESS"),
    ("rejections_some", "At least 2 % of its mails of the last seven days were rejected as spam or by policy.",
     _CHECK_REJECTIONS),
    ("rejections_much", "At least 3 % of its mails of the last seven days were rejected as spam or by policy; it sends "
     "less.", _CHECK_REJECTIONS),
    ("rejections_too_many", "At least 5 % of its mails of the last seven days were rejected as spam or by policy; it "
     "is paused.", _CHECK_REJECTIONS),
    ("rejections_mostly", "At least 10 % of its mails of the last seven days were rejected as spam or by policy; it "
     "is stopped.", _CHECK_REJECTIONS + " Then: gmail-warmup mailboxes requalify ADDRESS"),
    ("requalifying", "Its rest is over: it sends a few mails a day until 20 of them are placed.",
    _NO_ACTION_NEEDED),
    ("requalified", "Its fresh sample is good; its volume returns in steps.", _NO_ACTION_NEEDED),
    ("released", "A person released it to send a fresh sample.", _NO_ACTION_NEEDED),
    ("recovered", "Its mails of the last seven days are below every threshold again.", ""),
    # The volume of a day.
    ("halved", "It reached Google's daily sending limit on its previous sending day; it sends half today.",
    _NO_ACTION_NEEDED),
    ("own_limit", "The mailbox has sent about as much in 24 hours as Google allows, including mail from other clients.",
     "No action needed; it continues when the count is lower. Spread other mail out, or move it to another mailbox."),
    ("sending_limit", "Google's daily sending limit of this mailbox is reached; it sends half of its volume tomorrow.",
     "No action needed. If it happens often, lower the mailbox's target."),
    ("gmail_retry_later", "Gmail wants no calls to this mailbox before the time that it named; no task uses it until "
     "then.", "No action needed. If it happens often, use the mailbox less with other clients."),
    ("pool_too_small", "No pool mailbox may receive more from this mailbox now; it sends less than planned.",
    _ENLARGE_POOL),
)  # fmt: skip

WARMUP_REASONS: ReasonTable[WarmupReason] = build_reason_table(
    WarmupReason(code=code, message=message, remedy=remedy) for code, message, remedy in _ROWS
)
"""Every reason code of a reduced or stopped warmup mailbox."""

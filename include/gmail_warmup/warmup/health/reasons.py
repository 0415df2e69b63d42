"""Reason codes: why a mailbox sends less than its ramp allows, or nothing; one table for code, page, logs, alerts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WarmupReason:
    """A reason code with its meaning for people."""

    code: str
    message: str
    """What is the case, in words."""
    remedy: str
    """What to do about it; ADDRESS stands for the mailbox."""

    def remedy_for(self, address: str) -> str:
        """Return what to do about it at a mailbox."""
        return self.remedy.replace("ADDRESS", address)


_NO_ACTION_NEEDED = "Nothing to do: it ends by itself."
_CHECK_DOMAIN = (
    "Look at SPF, DKIM and DMARC of its domain and at what else the mailbox sends; send fewer cold mails meanwhile."
)
_RETURNS_AFTER_REST = "It comes back by itself with a small fresh sample after its rest. " + _CHECK_DOMAIN
_REQUALIFY_MAILBOX = _CHECK_DOMAIN + " Then: gmail-warmup mailboxes requalify ADDRESS"
_CHECK_BOUNCES = "Look at the bounces in its inbox: they say which recipients refuse it, and why."
_ENLARGE_POOL = "Add pool mailboxes, sign in with those that need it, or raise pool_daily_cap or partner_daily_cap."


def _build_table(*rows: tuple[str, str, str]) -> dict[str, WarmupReason]:
    return {code: WarmupReason(code=code, message=sentence, remedy=step) for code, sentence, step in rows}


WARMUP_REASONS = _build_table(
    # health: every band below healthy, and the way back
    ("spam_some", "At least 10 % of its mails of the last seven days were put in spam.", _CHECK_DOMAIN),
    ("spam_much", "At least 15 % of its mails of the last seven days were put in spam; it sends less.", _CHECK_DOMAIN),
    ("spam_too_much", "At least 20 % of its mails of the last seven days were put in spam; it rests.",
    _RETURNS_AFTER_REST),
    ("spam_mostly", "At least 40 % of its mails of the last seven days were put in spam; it is stopped.",
    _REQUALIFY_MAILBOX),
    ("bounces_some", "At least 2 % of its mails of the last seven days bounced.", _CHECK_BOUNCES),
    ("bounces_much", "At least 3 % of its mails of the last seven days bounced; it sends less.", _CHECK_BOUNCES),
    ("bounces_too_many", "At least 5 % of its mails of the last seven days bounced; it rests.", _CHECK_BOUNCES),
    ("bounces_mostly", "At least 10 % of its mails of the last seven days bounced; it is stopped.",
     _CHECK_BOUNCES + " Then: gmail-warmup mailboxes requalify ADDRESS"),
    ("requalifying", "It rested, and sends a few mails a day until 20 of them show how it fares now.",
    _NO_ACTION_NEEDED),
    ("requalified", "Its fresh sample is good; it comes back in steps.", _NO_ACTION_NEEDED),
    ("released", "A person let it send a fresh sample.", _NO_ACTION_NEEDED),
    ("recovered", "Its mails of the last seven days are placed well again.", ""),
    # the day
    ("halved", "Google's daily sending limit was met on the sending day before; it sends half today.",
    _NO_ACTION_NEEDED),
    ("own_limit", "The mailbox has sent about as much in 24 hours as Google allows, all its clients included.",
     "Nothing to do: it goes on when there is room. Spread other mail out, or move it to another mailbox."),
    ("sending_limit", "Google's daily sending limit of this mailbox is reached; it sends again tomorrow, half as much.",
     "Nothing to do. If it happens often, lower the mailbox's target."),
    ("pool_too_small", "No pool mailbox may receive more from this mailbox now; it sends less than planned.",
    _ENLARGE_POOL),
)  # fmt: skip

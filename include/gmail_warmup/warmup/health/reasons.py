"""Reason codes: why a mailbox sends less than its ramp allows, or nothing; one table for code, page, logs, alerts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WarmupReason:
    """A reason code with its meaning for people."""

    code: str
    sentence: str
    """What is the case, in words."""
    step: str
    """What to do about it; ADDRESS stands for the mailbox."""

    def step_for(self, address: str) -> str:
        """Return what to do about it at a mailbox."""
        return self.step.replace("ADDRESS", address)


_NOTHING = "Nothing to do: it ends by itself."
_LOOK = "Look at SPF, DKIM and DMARC of its domain and at what else the mailbox sends; send fewer cold mails meanwhile."
_BACK = "It comes back by itself with a small fresh sample after its rest. " + _LOOK
_RELEASE = _LOOK + " Then: gmail-warmup mailboxes requalify ADDRESS"
_BOUNCED = "Look at the bounces in its inbox: they say which recipients refuse it, and why."
_POOL = "Add pool mailboxes, sign in with those that need it, or raise pool_daily_cap or pair_daily_cap."


def _table(*rows: tuple[str, str, str]) -> dict[str, WarmupReason]:
    return {code: WarmupReason(code=code, sentence=sentence, step=step) for code, sentence, step in rows}


WARMUP_REASONS = _table(
    # health: every band below healthy, and the way back
    ("spam_some", "At least 10 % of its mails of the last seven days were put in spam.", _LOOK),
    ("spam_much", "At least 15 % of its mails of the last seven days were put in spam; it sends less.", _LOOK),
    ("spam_too_much", "At least 20 % of its mails of the last seven days were put in spam; it rests.", _BACK),
    ("spam_mostly", "At least 40 % of its mails of the last seven days were put in spam; it is stopped.", _RELEASE),
    ("bounces_some", "At least 2 % of its mails of the last seven days bounced.", _BOUNCED),
    ("bounces_much", "At least 3 % of its mails of the last seven days bounced; it sends less.", _BOUNCED),
    ("bounces_too_many", "At least 5 % of its mails of the last seven days bounced; it rests.", _BOUNCED),
    ("bounces_mostly", "At least 10 % of its mails of the last seven days bounced; it is stopped.",
     _BOUNCED + " Then: gmail-warmup mailboxes requalify ADDRESS"),
    ("requalifying", "It rested, and sends a few mails a day until 20 of them show how it fares now.", _NOTHING),
    ("requalified", "Its fresh sample is good; it comes back in steps.", _NOTHING),
    ("released", "A person let it send a fresh sample.", _NOTHING),
    ("recovered", "Its mails of the last seven days are placed well again.", ""),
    # the day
    ("halved", "Google's daily sending limit was met on the sending day before; it sends half today.", _NOTHING),
    ("own_limit", "The mailbox has sent about as much in 24 hours as Google allows, all its clients included.",
     "Nothing to do: it goes on when there is room. Spread other mail out, or move it to another mailbox."),
    ("sending_limit", "Google's daily sending limit of this mailbox is reached; it sends again tomorrow, half as much.",
     "Nothing to do. If it happens often, lower the mailbox's target."),
    ("pool_too_small", "No pool mailbox may receive more from this mailbox now; it sends less than planned.", _POOL),
)  # fmt: skip

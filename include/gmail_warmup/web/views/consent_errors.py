"""Page texts for a refused consent: what happened and what to do."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass

from gmail_warmup.core.text import pluralize
from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError, Evidence
from gmail_warmup.oauth.reasons import REASONS

GOOGLE_CONNECTIONS_URL = "https://myaccount.google.com/connections"
"""Google's list of third-party connections: https://support.google.com/accounts/answer/13533235"""
_TELL_SENDER = "Tell the sender of the link; they can fix it."


@dataclass(frozen=True, kw_only=True)
class RefusalText:
    """Texts for one refusal.

    ``{expected}`` and ``{actual}`` stand for mailboxes, ``{cause}`` and ``{remedy}`` for the texts of the reason code.
    A remedy is written for the operator, so no ``public_step`` has it.

    Attributes:
        step: what an Airflow user should do.
        public_step: what the owner who followed an invite should do, without a reference to Airflow.
    """

    status: int
    title: str
    happened: str
    step: str
    public_step: str


REFUSAL_TEXTS: dict[ConsentRefusal, RefusalText] = {
    ConsentRefusal.UNKNOWN_LINK: RefusalText(
        status=400,
        title="This consent was not started here",
        happened="The consent was started in another browser or by another Airflow user, or the link is incomplete.",
        step="Start again on the page Gmail accounts, and finish in the same browser with the same Airflow login.",
        public_step="Open your link again, and finish in the same browser.",
    ),
    ConsentRefusal.EXPIRED_LINK: RefusalText(
        status=410,
        title="This consent has expired",
        happened="Too much time passed between the start of the consent and your answer on Google's page.",
        step="Start again. Nothing else is required.",
        public_step="Open your link again. Nothing else is required.",
    ),
    ConsentRefusal.REPLAYED_LINK: RefusalText(
        status=410,
        title="This consent was already used",
        happened="Each consent can be used once, and this one was used. The page may have been loaded twice.",
        step="Check the mailbox on the page Gmail accounts. If it still needs re-authentication, start again.",
        public_step="If the mailbox is connected, no action is needed. If not, open your link again.",
    ),
    ConsentRefusal.INVITE_OVER: RefusalText(
        status=410,
        title="This link is no longer valid",
        happened="The link was revoked or expired while you were on Google's page.",
        step="Create a new invite on the page Gmail accounts.",
        public_step="Ask the sender for a new link.",
    ),
    ConsentRefusal.MAILBOX_REMOVED: RefusalText(
        status=410,
        title="This mailbox was removed",
        happened="{expected} was removed while you were on Google's page.",
        step="To use it again, add it on the page Gmail accounts.",
        public_step="Ask the sender for a new link.",
    ),
    ConsentRefusal.CANCELLED: RefusalText(
        status=400,
        title="Consent was cancelled at Google",
        happened="Google reports that access was not allowed.",
        step="If that was a mistake, start again and press Allow.",
        public_step="If that was a mistake, open your link again and press Allow.",
    ),
    ConsentRefusal.REFUSED_BY_GOOGLE: RefusalText(
        status=502,
        title="Google refused the consent",
        happened="Google returned an error instead of an authorization code.",
        step="Start again. If it happens again, an administrator may be blocking this app for the account.",
        public_step="Open your link again. If it happens again, tell the sender of the link.",
    ),
    ConsentRefusal.SCOPE_UNTICKED: RefusalText(
        status=403,
        title="The Gmail permission is missing",
        happened="The checkbox for access to Gmail on Google's page was not ticked.",
        step="Start again and leave the checkbox for Gmail ticked.",
        public_step="Open your link again and leave the checkbox for Gmail ticked.",
    ),
    ConsentRefusal.NO_REFRESH_TOKEN: RefusalText(
        status=502,
        title="Google returned no refresh token",
        happened="Google returned an access token without a refresh token, so the access would end within an hour.",
        step=f"Remove this app's access at {GOOGLE_CONNECTIONS_URL} while signed in as {{expected}}, then start again.",
        public_step=f"Remove this app's access at {GOOGLE_CONNECTIONS_URL} while signed in as {{expected}}, then open "
        "your link again.",
    ),
    ConsentRefusal.WRONG_ACCOUNT: RefusalText(
        status=403,
        title="A different account signed in",
        happened="The consent was for {expected}, but {actual} signed in.",
        step="Start again and choose {expected} on Google's page. If it is not listed, press 'Use another account'.",
        public_step="Open your link again and choose {expected} on Google's page. If it is not listed, press "
        "'Use another account'.",
    ),
    ConsentRefusal.DECISION_OVER: RefusalText(
        status=410,
        title="This decision is over",
        happened="The sign-in was kept for some minutes only, or belongs to another user or browser.",
        step="Start again on the page Gmail accounts.",
        public_step="Open your link again.",
    ),
    ConsentRefusal.CODE_USED: RefusalText(
        status=410,
        title="This answer of Google is used up",
        happened="{cause}",
        step="Start again.",
        public_step="Open your link again.",
    ),
    ConsentRefusal.REDIRECT_URI_MISMATCH: RefusalText(
        status=502,
        title="The redirect URI is missing at Google",
        happened="{cause}",
        step="In the Google Cloud console, add exactly this redirect URI to the OAuth client: {redirect_uri}. "
        "Then start again.",
        public_step=_TELL_SENDER,
    ),
    ConsentRefusal.GOOGLE_UNREACHABLE: RefusalText(
        status=502,
        title="Google could not be reached",
        happened="Google gave no usable answer. {cause}",
        step="Wait a minute and start again.",
        public_step="Wait a minute and open your link again.",
    ),
    ConsentRefusal.NETWORK_FAILED: RefusalText(
        status=502,
        title="The network does not connect to Google",
        happened="{cause}",
        step="{remedy} Then start again.",
        public_step=_TELL_SENDER,
    ),
    ConsentRefusal.TEMPORARILY_REFUSED: RefusalText(
        status=503,
        title="Google refuses for the moment",
        happened="{cause}",
        step="Wait {wait}, then start again.",
        public_step="Wait {wait}, then open your link again.",
    ),
    ConsentRefusal.MAILBOX_REFUSED: RefusalText(
        status=403,
        title="This mailbox cannot be used",
        happened="{cause}",
        step="{remedy} Then start again.",
        public_step="Ask the administrator of the account to allow this app and to switch Gmail on, then open your "
        "link again. If that does not help, tell the sender of the link.",
    ),
    ConsentRefusal.CLIENT_REFUSED: RefusalText(
        status=502,
        title="Google rejects this installation",
        happened="The problem is not in your account. {cause}",
        step="{remedy} Then start again.",
        public_step=_TELL_SENDER,
    ),
}

_CONCERNS_OWNER = frozenset(
    {ConsentRefusal.CODE_USED, ConsentRefusal.TEMPORARILY_REFUSED, ConsentRefusal.MAILBOX_REFUSED}
)
"""Refusals whose cause is in the account, or passes. The owner who followed an invite sees the cause of these only."""


def describe_refusal(refused: ConsentRefusedError, *, invited: bool) -> RefusalText:
    """Return the texts of a refusal, with mailboxes, cause, remedy and waiting time filled in."""
    text, reason = REFUSAL_TEXTS[refused.refusal], REASONS.get(refused.code)
    is_cause_shown = reason is not None and (not invited or refused.refusal in _CONCERNS_OWNER)
    values = {
        "expected": refused.expected_address or "the mailbox",
        "actual": refused.actual or "another account",
        "cause": reason.message if reason and is_cause_shown else "",
        "remedy": reason.remedy if reason else "",
        "redirect_uri": refused.redirect_uri,
        "wait": _format_wait(refused.retry_after),
    }
    step = text.public_step if invited else text.step
    happened = text.happened.format(**values).strip() or "Google did not complete the sign-in."
    return dataclasses.replace(text, happened=happened, step=step.format(**values).strip())


_EVIDENCE_TEXTS = {
    Evidence.CONFIRMED: "A warmup mail of {expected} is in this account, so it is the same account.",
    Evidence.UNKNOWN: "Gmail did not answer whether a warmup mail of {expected} is in this account, so it was not "
    "checked: sign in again in a few minutes, or you have to know it.",
    Evidence.NONE: "No mail of {expected} is recorded yet, so it cannot be checked: you have to know it.",
}


def describe_evidence(refused: ConsentRefusedError) -> str:
    """Return whether the account that signed in is the expected one; empty if its result is not kept."""
    text = _EVIDENCE_TEXTS.get(refused.evidence, "") if refused.evidence else ""
    return text.format(expected=refused.expected_address)


def _format_wait(retry_after: float | None) -> str:
    """Return the time that Google named in whole minutes, or "some minutes"."""
    return pluralize(max(1, math.ceil(retry_after / 60)), "minute") if retry_after else "some minutes"


def retry_request(refused: ConsentRefusedError, *, queued: bool = False) -> str:
    """Return the JSON request that starts the same consent again; empty if the consent is unknown.

    Args:
        queued: whether the request continues the user's repair queue.
    """
    consent = refused.request
    if consent is None:
        return ""
    if queued:
        return json.dumps({"address": consent.address})
    request = {"address": consent.address, "purpose": consent.purpose.value}
    return json.dumps(request | ({"settings": consent.settings} if consent.settings else {}))

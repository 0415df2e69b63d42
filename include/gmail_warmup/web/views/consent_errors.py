"""Page texts for a refused consent: what happened and what to do."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError
from gmail_warmup.oauth.reasons import REASONS

GOOGLE_PERMISSIONS_URL = "https://myaccount.google.com/permissions"


@dataclass(frozen=True, kw_only=True)
class RefusalText:
    """Texts for one refusal. ``{expected}`` and ``{actual}`` are replaced by mailboxes.

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
        step=f"Remove this app's access at {GOOGLE_PERMISSIONS_URL} while signed in as {{expected}}, then start again.",
        public_step=f"Remove this app's access at {GOOGLE_PERMISSIONS_URL} while signed in as {{expected}}, then open "
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
    ConsentRefusal.GOOGLE_UNREACHABLE: RefusalText(
        status=502,
        title="Google could not be reached",
        happened="Google did not respond, or has an outage.",
        step="Wait a minute and start again.",
        public_step="Wait a minute and open your link again.",
    ),
    ConsentRefusal.CLIENT_REFUSED: RefusalText(
        status=502,
        title="Google rejected the OAuth client",
        happened="Google did not accept the OAuth client of this installation. The problem is not in your account.",
        step="Check the Airflow Connection gmail_oauth_client, and that the Gmail API is enabled.",
        public_step="Tell the sender of the link; they can fix it.",
    ),
}


def describe_refusal(refused: ConsentRefusedError, *, invited: bool) -> RefusalText:
    """Return the texts of a refusal, with mailboxes and Google's reason filled in.

    Google's reason is for Airflow users only; the owner who followed an invite sees what to do.
    """
    text = REFUSAL_TEXTS[refused.refusal]
    names = {"expected": refused.expected_address or "the mailbox", "actual": refused.actual or "another account"}
    reason = None if invited else REASONS.get(refused.code)
    happened = text.happened.format(**names)
    step = text.public_step if invited else text.step
    return dataclasses.replace(
        text,
        happened=f"{happened} {reason.message}" if reason else happened,
        step=step.format(**names),
    )


def retry_request(refused: ConsentRefusedError) -> str:
    """Return the JSON request that starts the same consent again; empty if the consent is unknown."""
    consent = refused.request
    if consent is None:
        return ""
    request = {"address": consent.address, "purpose": consent.purpose.value}
    return json.dumps(request | ({"settings": consent.settings} if consent.settings else {}))

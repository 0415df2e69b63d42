"""What a refused consent says to the person who came back from Google."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError
from gmail_warmup.oauth.reasons import REASONS

GOOGLE_PERMISSIONS_URL = "https://myaccount.google.com/permissions"


@dataclass(frozen=True, kw_only=True)
class RefusalText:
    """A refusal in words. ``{expected}`` and ``{actual}`` stand for mailboxes.

    Attributes:
        step: what to do, for a user of Airflow.
        invited: the same for who followed an invite, and knows neither this page nor Airflow.
    """

    status: int
    title: str
    happened: str
    step: str
    public_step: str


REFUSAL_TEXTS: dict[ConsentRefusal, RefusalText] = {
    ConsentRefusal.UNKNOWN_LINK: RefusalText(
        status=400,
        title="This link is not yours",
        happened="The consent was started in another browser or by another Airflow user, or the link is incomplete.",
        step="Start again on the page Gmail accounts, and finish in the same browser with the same Airflow login.",
        public_step="Open your link again, and finish in the same browser.",
    ),
    ConsentRefusal.EXPIRED_LINK: RefusalText(
        status=410,
        title="This link has expired",
        happened="Too much time went by between the start of the consent and your answer at Google.",
        step="Start again; nothing else has to be done.",
        public_step="Open your link again; nothing else has to be done.",
    ),
    ConsentRefusal.REPLAYED_LINK: RefusalText(
        status=410,
        title="This link was used already",
        happened="Each consent counts once, and this one has been answered. Perhaps the page was loaded twice.",
        step="Look at the mailbox on the page Gmail accounts. If it still needs you, start again.",
        public_step="If the mailbox is connected, nothing has to be done. If not, open your link again.",
    ),
    ConsentRefusal.INVITE_OVER: RefusalText(
        status=410,
        title="This link does not work any more",
        happened="It was taken back, or its time ran out, while you were at Google.",
        step="Make a new invite on the page Gmail accounts.",
        public_step="Ask whoever sent it for a new one.",
    ),
    ConsentRefusal.CANCELLED: RefusalText(
        status=400,
        title="You cancelled at Google",
        happened="Google reports that access was not allowed.",
        step="If that was a mistake, start again and press Allow.",
        public_step="If that was a mistake, open your link again and press Allow.",
    ),
    ConsentRefusal.REFUSED_BY_GOOGLE: RefusalText(
        status=502,
        title="Google refused the consent",
        happened="Google came back with an error of its own instead of an answer.",
        step="Start again. If it happens again, an administrator may be blocking this app for the account.",
        public_step="Open your link again. If it happens again, tell whoever sent it.",
    ),
    ConsentRefusal.SCOPE_UNTICKED: RefusalText(
        status=403,
        title="The Gmail permission is missing",
        happened="Google's page asked for access to Gmail, and the box for it was not ticked.",
        step="Start again and leave the box for Gmail ticked.",
        public_step="Open your link again and leave the box for Gmail ticked.",
    ),
    ConsentRefusal.NO_REFRESH_TOKEN: RefusalText(
        status=502,
        title="Google gave no lasting access",
        happened="Google sent an access token, but no refresh token, so the access would end within an hour.",
        step=f"Remove this app's access at {GOOGLE_PERMISSIONS_URL} while signed in as {{expected}}, then start again.",
        public_step=f"Remove this app's access at {GOOGLE_PERMISSIONS_URL} while signed in as {{expected}}, and "
        "open your link again.",
    ),
    ConsentRefusal.WRONG_ACCOUNT: RefusalText(
        status=403,
        title="Another account signed in",
        happened="The consent was for {expected}, but {actual} signed in.",
        step="Start again and choose {expected} at Google. If it is not offered there, press 'Use another account'.",
        public_step="Open your link again and choose {expected} at Google. If it is not offered there, press "
        "'Use another account'.",
    ),
    ConsentRefusal.GOOGLE_UNREACHABLE: RefusalText(
        status=502,
        title="Google could not be reached",
        happened="Google did not answer, or is in trouble.",
        step="Wait a minute and start again.",
        public_step="Wait a minute and open your link again.",
    ),
    ConsentRefusal.CLIENT_REFUSED: RefusalText(
        status=502,
        title="Google refused this installation",
        happened="Google did not accept the OAuth client of this installation. Your account is not to blame.",
        step="Ask the operator to check the Airflow Connection gmail_oauth_client, and that the Gmail API is on.",
        public_step="Tell whoever sent you the link; it is for them to repair.",
    ),
}


def describe_refusal(refused: ConsentRefusedError, *, invited: bool) -> RefusalText:
    """Return the words of one refusal, with the mailboxes and Google's reason filled in.

    The reason is for who runs this installation; somebody who followed an invite is told what to do.
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
    """Return the request that starts the same consent again, as JSON; empty where nobody knows which it was."""
    begun = refused.begun
    if begun is None:
        return ""
    request = {"address": begun.address, "purpose": begun.purpose.value}
    return json.dumps(request | ({"settings": begun.settings} if begun.settings else {}))

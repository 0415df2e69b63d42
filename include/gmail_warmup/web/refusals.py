"""What a refused consent says to the person who came back from Google."""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.grants.consent import ConsentRefusedError, Refusal
from gmail_warmup.grants.reasons import REASONS

PERMISSIONS = "https://myaccount.google.com/permissions"


@dataclass(frozen=True, kw_only=True)
class RefusalText:
    """A refusal in words. ``{expected}`` and ``{actual}`` stand for mailboxes."""

    status: int
    title: str
    happened: str
    step: str


REFUSALS: dict[Refusal, RefusalText] = {
    Refusal.UNKNOWN_LINK: RefusalText(
        status=400,
        title="This link is not yours",
        happened="The consent was started in another browser or by another Airflow user, or the link is incomplete.",
        step="Start again on the page Gmail accounts, and finish in the same browser with the same Airflow login.",
    ),
    Refusal.EXPIRED_LINK: RefusalText(
        status=410,
        title="This link has expired",
        happened="Too much time went by between the start of the consent and your answer at Google.",
        step="Start again; nothing else has to be done.",
    ),
    Refusal.REPLAYED_LINK: RefusalText(
        status=410,
        title="This link was used already",
        happened="Each consent counts once, and this one has been answered. Perhaps the page was loaded twice.",
        step="Look at the mailbox on the page Gmail accounts. If it still needs you, start again.",
    ),
    Refusal.CANCELLED: RefusalText(
        status=400,
        title="You cancelled at Google",
        happened="Google reports that access was not allowed.",
        step="If that was a mistake, start again and press Allow.",
    ),
    Refusal.REFUSED_BY_GOOGLE: RefusalText(
        status=502,
        title="Google refused the consent",
        happened="Google came back with an error of its own instead of an answer.",
        step="Start again. If it happens again, an administrator may be blocking this app for the account.",
    ),
    Refusal.SCOPE_UNTICKED: RefusalText(
        status=403,
        title="The Gmail permission is missing",
        happened="Google's page asked for access to Gmail, and the box for it was not ticked.",
        step="Start again and leave the box for Gmail ticked.",
    ),
    Refusal.NO_REFRESH_TOKEN: RefusalText(
        status=502,
        title="Google gave no lasting access",
        happened="Google sent an access token, but no refresh token, so the access would end within an hour.",
        step=f"Remove this app's access at {PERMISSIONS} while signed in as {{expected}}, then start again.",
    ),
    Refusal.WRONG_ACCOUNT: RefusalText(
        status=403,
        title="Another account signed in",
        happened="The consent was for {expected}, but {actual} signed in.",
        step="Start again and choose {expected} at Google. If it is not offered there, press 'Use another account'.",
    ),
    Refusal.GOOGLE_UNREACHABLE: RefusalText(
        status=502,
        title="Google could not be reached",
        happened="Google did not answer, or is in trouble.",
        step="Wait a minute and start again.",
    ),
    Refusal.CLIENT_REFUSED: RefusalText(
        status=502,
        title="Google refused this installation",
        happened="Google did not accept the OAuth client of this installation. Your account is not to blame.",
        step="Ask the operator to check the Airflow Connection gmail_oauth_client, and that the Gmail API is on.",
    ),
}


def text_of(refused: ConsentRefusedError) -> RefusalText:
    """Return the words of one refusal, with the mailboxes and Google's reason filled in."""
    text = REFUSALS[refused.refusal]
    names = {"expected": refused.expected or "the mailbox", "actual": refused.actual or "another account"}
    reason = REASONS.get(refused.code)
    happened = text.happened.format(**names)
    return RefusalText(
        status=text.status,
        title=text.title,
        happened=f"{happened} {reason.sentence}" if reason else happened,
        step=text.step.format(**names),
    )

"""Send a mail of a user's own DAG at most once, however often its task is repeated.

Gmail sends a draft once, and then no longer has it. So the draft's id is stored before the draft is sent, and every
further try sends that draft or finds that it was sent. Without a stored id, nothing was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.errors import NotFoundError, UnknownOutcomeError
from gmail_warmup.gmail.mime import OutgoingMail, encode_message

IDEMPOTENCY_HEADER = "X-Idempotency-Key"
"""Header with the key of the mail; the client that looks for it has it as its ``token_header``."""


@dataclass(frozen=True, kw_only=True)
class EarlierTries:
    """What is known about earlier tries to send a mail.

    Attributes:
        since: when the first of them may have been (aware); None if this is the first try.
        draft_id: the draft that one of them stored.
        keeps_drafts: whether a draft would have been stored.
    """

    since: datetime | None = None
    draft_id: str | None = None
    keeps_drafts: bool = True


def send_once(
    gmail: GmailClient,
    mail: OutgoingMail,
    *,
    earlier: EarlierTries = EarlierTries(),
    store_draft: Callable[[str], None] = lambda _: None,
) -> str:
    """Send a mail unless an earlier try did, and return the id of the sent message.

    Args:
        mail: its Message-ID is the same in every try, and so is its key in the header `IDEMPOTENCY_HEADER`.
        store_draft: stores the id of the draft for later tries.

    Raises:
        UnknownOutcomeError: the draft is gone, and the mail is not found; or a person changed the draft; or it is not
            known whether there was a draft.
        InvalidInputError: the mail breaks a rule.
        GmailError: by cause; after GmailUnavailableError, try again with the same Message-ID and draft.
    """
    draft_id = earlier.draft_id
    if earlier.since:
        if sent := _find_sent(gmail, mail, earlier.since):
            return sent
        draft_id = draft_id or next((draft.id for draft in gmail.find_drafts(mail.message_id)), None)
        if draft_id is not None:
            _require_unchanged(gmail, draft_id, mail)
        elif not earlier.keeps_drafts:
            raise _describe_unknown(gmail, mail, "Airflow keeps no state of this task, and Gmail does not find it")
    if draft_id is None:
        draft_id = gmail.create_draft(encode_message(mail)).id
    store_draft(draft_id)
    try:
        return gmail.send_draft(draft_id)
    except NotFoundError:
        if earlier.since and (sent := _find_sent(gmail, mail, earlier.since)):
            return sent
        raise _describe_unknown(gmail, mail, "its draft is gone, and Gmail's search does not find it") from None


def _find_sent(gmail: GmailClient, mail: OutgoingMail, since: datetime) -> str | None:
    """Return the id of the sent message, or None. Gmail may have replaced its Message-ID, so the key is compared."""
    found = gmail.find_sent(mail.recipient, mail.headers[IDEMPOTENCY_HEADER], since=since)
    return found.id if found else None


def _require_unchanged(gmail: GmailClient, draft_id: str, mail: OutgoingMail) -> None:
    """Check that a draft of an earlier try is still that mail: a person may have rewritten it."""
    found = gmail.get_draft_message(draft_id)
    if found is None:
        raise _describe_unknown(gmail, mail, "its draft is gone, and Gmail's search does not find it")
    if found.rfc_message_id != mail.message_id:
        raise _describe_unknown(gmail, mail, "a person changed its draft")


def _describe_unknown(gmail: GmailClient, mail: OutgoingMail, why: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"{gmail.address}: the mail {mail.message_id} may have been sent: {why}. Look in the Sent folder. To send it "
        "again, use another idempotency_key, or a new run."
    )

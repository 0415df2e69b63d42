"""Find what an earlier attempt at a mail left at Gmail: a draft, or the sent mail.

Every draft and every sent mail that the current call did not create is handled here, and nowhere else. All functions
verify that it is the mail of the ledger row before it is sent, deleted, labelled or recorded.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from email.utils import getaddresses

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.db.engine import autocommit
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.errors import BadGmailRequestError, GmailUnavailableError, NotFoundError
from gmail_warmup.gmail.models import Message
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger

log = logging.getLogger(__name__)

STRAY_DRAFT_DELAY = timedelta(hours=1)
"""Time from the end of a mail to the search for another draft of it; Gmail's search is up to date by then."""
_CLOCK_MARGIN = timedelta(hours=1)
"""By how much the database's clock may be ahead of Gmail's."""


class DraftChangedError(GmailWarmupError):
    """A person has edited the draft of a mail, so it belongs to that person: it is neither sent nor deleted."""


def find_earlier_draft(session: MailboxSession, mail: Delivery) -> str | None:
    """Return the id of the mail's draft, or None if it has no draft.

    A draft whose id is stored may have been sent already. One whose id is not stored is found by its Message-ID, which
    is derived from the row's token.

    Raises:
        DraftChangedError: the draft is not the mail that was created: another token, Message-ID or recipient.
    """
    if mail.is_new:
        return None
    message_id = mime.make_message_id(mail.entry.token, session.mailbox.address)
    draft_id = mail.entry.draft_id
    if draft_id is None:
        drafts = session.gmail.find_drafts(message_id)
        if not drafts:
            return None
        draft_id = drafts[0].id
    message = session.gmail.get_draft_message(draft_id)
    if message is not None and not _is_unchanged(session, mail, message):
        raise DraftChangedError(f"{session.mailbox.address}: a person has edited the draft of mail {mail.entry.id}.")
    return draft_id


def _is_unchanged(session: MailboxSession, mail: Delivery, message: Message) -> bool:
    recipients = [message.headers[name] for name in ("to", "cc", "bcc") if message.headers.get(name)]
    return (
        message.headers.get(session.settings.token_header.lower()) == mail.entry.token
        and message.rfc_message_id == mime.make_message_id(mail.entry.token, session.mailbox.address)
        and [address.lower() for _, address in getaddresses(recipients)] == [mail.recipient.address]
    )


def find_sent_message(session: MailboxSession, mail: Delivery, message_id: str | None) -> Message | None:
    """Return the sent mail, or None if it is not found.

    An earlier call may have sent it days ago, so the search begins at the time of the claim.

    Args:
        message_id: returned by Gmail for the draft that this call sent; None if an earlier call sent it, which is then
            searched for by its token.

    Raises:
        GmailUnavailableError: also if Gmail refuses to return it. The mail was sent, so this must not count as a
            refusal of the mail; the next call searches again.
    """
    try:
        if message_id:
            try:
                return session.gmail.get_message(message_id)
            except NotFoundError:
                pass  # a person has deleted it
        return session.gmail.find_sent(
            mail.recipient.address, mail.entry.token, since=mail.entry.claimed_at - _CLOCK_MARGIN
        )
    except (BadGmailRequestError, NotFoundError) as error:
        raise GmailUnavailableError(error.address, status=error.status, reason=error.reason) from None


def delete_stray_drafts(session: MailboxSession) -> None:
    """Delete the drafts of mails that were sent with another draft, or not at all; a changed one is left.

    A draft is left behind if the response to its creation was lost and Gmail's search did not find it afterwards.
    """
    for mail in session.while_permitted(_load_mails_to_search(session)):
        for draft in session.gmail.find_drafts(mime.make_message_id(mail.entry.token, session.mailbox.address)):
            _delete_stray_draft(session, mail, draft.id)
        with autocommit(session.engine) as connection:
            ledger.update_entry(connection, mail.entry.id, stray_draft_due_at=None)


def _load_mails_to_search(session: MailboxSession) -> list[Delivery]:
    with autocommit(session.engine) as connection:
        return [
            Delivery(entry=entry, recipient=repository.get_mailbox_by_id(connection, entry.recipient_id))
            for entry in ledger.find_with_stray_draft(connection, session.mailbox.id)
        ]


def _delete_stray_draft(session: MailboxSession, mail: Delivery, draft_id: str) -> None:
    message = session.gmail.get_draft_message(draft_id)
    if message is None:
        return
    text, level, code = "%s: a draft that was left of mail %s is deleted", logging.INFO, "stray_draft"
    if _is_unchanged(session, mail, message):
        session.gmail.delete_draft(draft_id)
    else:
        text, level, code = "%s: a person has edited a draft of mail %s; it is left", logging.WARNING, "draft_changed"
    log_event(log, level, f"{text} [%s]", session.mailbox.address, mail.entry.id, code, reason_code=code)

"""Find what an earlier attempt at a mail left at Gmail: a draft, or the sent mail.

Every draft and every sent mail that the current call did not create comes from these two functions, and from nowhere
else. Both verify that it is the mail of the ledger row: afterwards the caller sends, deletes, labels or records it.
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import getaddresses

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.errors import BadGmailRequestError, GmailUnavailableError, NotFoundError
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession

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
        draft = session.gmail.find_draft(message_id)
        if draft is None:
            return None
        draft_id = draft.id
    message = session.gmail.get_draft_message(draft_id)
    if message is not None and not _is_unchanged(session, mail, message, message_id):
        raise DraftChangedError(f"{session.mailbox.address}: a person has edited the draft of mail {mail.entry.id}.")
    return draft_id


def _is_unchanged(session: MailboxSession, mail: Delivery, message: Message, message_id: str) -> bool:
    recipients = [message.headers[name] for name in ("to", "cc", "bcc") if message.headers.get(name)]
    return (
        message.headers.get(session.settings.token_header.lower()) == mail.entry.token
        and message.rfc_message_id == message_id
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

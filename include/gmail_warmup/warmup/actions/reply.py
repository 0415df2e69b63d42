"""Reply: answer each mail whose reply is due exactly once; threads continue turn by turn."""

from __future__ import annotations

from gmail_warmup.db.engine import autocommit, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.delivery import claim_mail, deliver_mail
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession, isolate_mail
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry


def send_replies(session: MailboxSession) -> None:
    """Send the replies that are due, including those that an earlier call started."""
    with autocommit(session.engine) as connection:
        unanswered = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNANSWERED)
    for received in session.defer_at_night(unanswered, L.reply_due_at):
        sending_limit.enforce_sending_limit(session)
        with isolate_mail(session, received):
            if (reply := _claim_reply(session, received)) is not None:
                deliver_mail(session, reply)


def _claim_reply(session: MailboxSession, received: Entry) -> Delivery | None:
    """Return the reply to a mail, claimed now or by an earlier call, or None if it was sent or has failed."""
    with write_transaction(session.engine) as connection:
        partner = repository.get_mailbox_by_id(connection, received.sender_id)
        thread = ledger.load_thread(connection, received)
        entry = ledger.find_reply(connection, received.id)
        if entry is None:
            local = received.seen_at.astimezone(session.mailbox.zone)
            return claim_mail(connection, session, partner, due_at=local, local_date=local.date(), thread=thread)
    if entry.status not in (MailStatus.CLAIMED, MailStatus.DRAFTED):
        return None
    return Delivery(entry=entry, recipient=partner, thread=thread)

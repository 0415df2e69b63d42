"""Send: finish first mails that an earlier call started, then send one mail for each due slot."""

from __future__ import annotations

from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.claim import claim_next_slot
from gmail_warmup.warmup.actions.delivery import deliver_mail
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession, isolate_mail
from gmail_warmup.warmup.actions.undelivered import withdraw_mail
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import daily_plan


def send_due_mails(session: MailboxSession) -> None:
    """Finish unsent mails, then claim and send what is due.

    A pool mailbox claims nothing. It has unsent mails if it was a warmup mailbox when these were claimed.
    """
    for mail in session.while_permitted(_load_unsent_mails(session)):
        with isolate_mail(session, mail.entry):
            _finish_mail(session, mail)
    if session.mailbox.kind is not MailboxKind.WARMUP:
        return
    sending_limit.enforce_sending_limit(session)
    while (claimed := claim_next_slot(session)) is not None:
        deliver_mail(session, claimed)
        if daily_plan.get_min_gap(session.settings):
            return  # nothing else is due before the gap has passed
        sending_limit.enforce_sending_limit(session)


def _load_unsent_mails(session: MailboxSession) -> list[Delivery]:
    with autocommit(session.engine) as connection:
        return [
            Delivery(entry=entry, recipient=repository.get_mailbox_by_id(connection, entry.recipient_id))
            for entry in ledger.find_unsent_of_sender(connection, session.mailbox.id)
        ]


def _finish_mail(session: MailboxSession, mail: Delivery) -> None:
    """Send an unsent mail in the sending hours of its own day; withdraw it on a later day.

    If its draft is gone it was sent, so it is recorded at any time.
    """
    entry, now, zone = mail.entry, mail.entry.seen_at, session.mailbox.zone
    day_is_over = entry.local_date < now.astimezone(zone).date()
    may_send = not day_is_over and daily_plan.is_sending_time(session.schedule, zone, now=now)
    if may_send or (entry.draft_id and session.gmail.get_draft_message(entry.draft_id) is None):
        deliver_mail(session, mail)
    elif day_is_over:
        withdraw_mail(session, mail)

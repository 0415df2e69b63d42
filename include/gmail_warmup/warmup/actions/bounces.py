"""Process bounces and auto-replies that a mailbox received for the warmup mails that it sent.

Gmail's history costs 2 quota units and returns the threads of new messages, so only messages in threads of warmup mail
are read. A search for mail from mail systems (5 units) is added if a mail is neither found nor bounced, or if the
stored history id is too old. In both cases a message counts only if it names the token or the Message-ID of a mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import sqlalchemy as sa

from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.gmail import delivery_status
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.gmail.errors import BadGmailRequestError, NotFoundError
from gmail_warmup.gmail.models import AddedMessage, HistoryChanges, Message
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.health.outcomes import record_outcome
from gmail_warmup.warmup.ledger import bounces, daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.bounces import BounceWatch, KnownMessages, SentMail
from gmail_warmup.warmup.ledger.daily_counters import Outcome

_MAX_BOUNCE_BYTES = 1_000_000
"""Size up to which a bounce is read; those of warmup mail have a few thousand bytes."""
_OUTGOING_LABELS = frozenset(("SENT", "DRAFT"))


def process_bounces(session: MailboxSession) -> None:
    """Find new bounces and auto-replies, record them in the ledger, label and archive them."""
    with autocommit(session.engine) as connection:
        watch = bounces.load_bounce_watch(
            connection, session.mailbox.id, patience=session.scale_delay(2 * bounces.FIRST_SEARCH_DELAY)
        )
    if watch is None:
        return
    changes = _fetch_history(session, watch)
    received = [added for added in changes.added if not added.labels & _OUTGOING_LABELS] if changes else []
    if received or changes is None or watch.unfound_since:
        with autocommit(session.engine) as connection:
            known = bounces.load_known_messages(connection, session.mailbox.id)
        candidates = dict.fromkeys(_find_candidate_ids(session, watch, known, received, search=changes is None))
        for message_id in session.while_permitted(candidates):
            if message_id not in known.processed_ids:
                _process_message(session, known, message_id)
    history_id = changes.history_id if changes else session.gmail.get_profile().history_id
    with autocommit(session.engine) as connection:
        bounces.record_bounce_search(connection, session.mailbox.id, history_id, scale=session.settings.delay_scale)


def _fetch_history(session: MailboxSession, watch: BounceWatch) -> HistoryChanges | None:
    """Return what was received since the last search, or None if Gmail does not accept the stored history id.

    Gmail answers 404 if its history does not reach back that far, and 400 "Invalid startHistoryId" to an id that this
    mailbox never had, for example after its account was restored.
    """
    if watch.history_id is None:
        return None
    try:
        return session.gmail.list_new_messages(watch.history_id)
    except (NotFoundError, BadGmailRequestError):
        return None


def _find_candidate_ids(
    session: MailboxSession,
    watch: BounceWatch,
    known: KnownMessages,
    received: Iterable[AddedMessage],
    *,
    search: bool,
) -> Iterator[str]:
    threads = {mail.thread_id for mail in known.sent_mails}
    yield from (added.id for added in received if added.thread_id in threads)
    since = watch.unfound_since
    if since or search:
        after = f"after:{int(since.timestamp()) - 3600}" if since else "newer_than:7d"
        yield from session.gmail.search_messages(f"from:mailer-daemon in:anywhere {after}", limit=20)


def _process_message(session: MailboxSession, known: KnownMessages, message_id: str) -> None:
    try:
        message = session.gmail.get_message(message_id)
        if session.settings.token_header.lower() in message.headers:
            return  # a warmup reply; it is collected when it is due
        if message.headers.get("content-type", "").lower().startswith("multipart/report"):
            _process_bounce_report(session, known, message)
        elif delivery_status.is_auto_reply(message.headers) and (mail := _match_auto_reply(known, message.headers)):
            _archive_message(session, message)
            with autocommit(session.engine) as connection:
                bounces.record_auto_reply(connection, mail.id, message_id)
            session.counts[MailEvent.AUTO_REPLIES] += 1
    except NotFoundError:
        pass  # a person deleted it meanwhile


def _process_bounce_report(session: MailboxSession, known: KnownMessages, message: Message) -> None:
    if message.size > _MAX_BOUNCE_BYTES:
        return
    bounce = delivery_status.parse_delivery_status(
        session.gmail.get_raw_message(message.id), token_header=session.settings.token_header
    )
    mail = bounce and _match_bounce(known, bounce)
    if not bounce or not mail:
        return
    _archive_message(session, message)
    if _store_bounce(session.engine, mail.id, message.id, bounce):
        session.counts[MailEvent.BOUNCED] += 1


@retry_conflict
def _store_bounce(engine: sa.Engine, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    with write_transaction(engine) as connection:
        return record_bounce(connection, entry_id, message_id, bounce)


def record_bounce(connection: sa.Connection, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    """Record a bounce and count it if it is final and new; return whether it is."""
    entry = ledger.get_entry(connection, entry_id)
    daily_counters.lock_sender(connection, entry.sender_id)
    if not bounces.store_bounce(connection, entry_id, message_id, bounce):
        return False
    record_outcome(connection, entry, Outcome.BOUNCED)
    return True


def _archive_message(session: MailboxSession, message: Message) -> None:
    session.label_message(message.id, remove=("UNREAD", *message.labels & {"INBOX"}))


def _match_bounce(known: KnownMessages, bounce: Bounce) -> SentMail | None:
    by_token = (mail for mail in known.sent_mails if mail.token in bounce.tokens)
    return next(by_token, None) or next(
        (mail for mail in known.sent_mails if mail.rfc_message_id in bounce.message_ids), None
    )


def _match_auto_reply(known: KnownMessages, headers: Mapping[str, str]) -> SentMail | None:
    replied_ids = delivery_status.find_replied_message_id(headers.get("in-reply-to", ""), headers.get("references", ""))
    return next((mail for mail in known.sent_mails if mail.rfc_message_id in replied_ids), None)

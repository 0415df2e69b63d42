"""Process bounces and auto-replies that a mailbox received for the warmup mails that it sent.

Gmail's history costs 2 quota units and returns the threads of new messages, so only messages in threads of warmup mail
are read. A search for mail from mail systems is added if a mail is neither found nor bounced, or if the stored history
id is too old. In both cases a message counts only if it names the token or the Message-ID of a mail, or names no mail
and is in the thread of one. The notices that a search finds may be about other mail: each is read once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from gmail_warmup.core.enums import BounceKind
from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.gmail import delivery_status
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.gmail.errors import BadGmailRequestError, NotFoundError
from gmail_warmup.gmail.models import HistoryChanges, Message
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.health.outcomes import record_outcome
from gmail_warmup.warmup.ledger import bounces, daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.bounces import BounceWatch, KnownMessages, SearchTimes, SentMail
from gmail_warmup.warmup.ledger.daily_counters import Outcome

_MAX_BOUNCE_BYTES = 1_000_000
"""Size up to which a bounce is read; those of warmup mail have a few thousand bytes."""
_SYSTEM_MAIL = "{from:mailer-daemon from:postmaster from:mail-noreply} in:anywhere smaller:1M"
_MAX_FOUND = 2000
"""Number of messages that a search lists: one request for each 500."""
MAX_READ_PER_SEARCH = 50
"""Number of found messages that one check reads, with one request each; the next check continues in a later session."""
_OUTGOING_LABELS = frozenset(("SENT", "DRAFT"))


def process_bounces(session: MailboxSession) -> None:
    """Find new bounces and auto-replies, record them in the ledger, label and archive them.

    Every task that visits the mailbox reads its history, so a task for this alone is rarely needed.
    """
    with autocommit(session.engine) as connection:
        watch = bounces.load_bounce_watch(
            connection, session.mailbox.id, patience=session.scale_delay(bounces.UNFOUND_DELAY)
        )
    if watch is None:
        return
    changes = _fetch_history(session, watch)
    received = [added for added in changes.added if not added.labels & _OUTGOING_LABELS] if changes else []
    has_unread = False
    if received or changes is None or watch.unfound_since:
        with autocommit(session.engine) as connection:
            known = bounces.load_known_messages(connection, session.mailbox.id)
        threads = {mail.thread_id for mail in known.sent_mails}
        in_threads = dict.fromkeys(added.id for added in received if added.thread_id in threads)
        for message_id in session.while_permitted(id for id in in_threads if id not in known.processed_ids):
            _process_thread_message(session, known, message_id)
        if changes is None or watch.unfound_since:
            has_unread = _search_notices(session, watch, known, read_ids=in_threads.keys())
    history_id = changes.history_id if changes else session.gmail.get_profile().history_id
    _record_search(session, watch, history_id, has_unread=has_unread)


def _record_search(session: MailboxSession, watch: BounceWatch, history_id: str, *, has_unread: bool) -> None:
    """Store up to where the mailbox was searched, and the session of the next search."""
    if has_unread:
        times = SearchTimes(soon=session.find_next_session(watch.now, bounces.CONTINUED_SEARCH_DELAY))
    else:
        late = session.find_next_session(watch.now, bounces.LATE_SEARCH_DELAY) if watch.is_due else watch.due_at
        times = SearchTimes(next=session.find_next_session(watch.now, bounces.SEARCH_DELAY), later=late)
    arrival = session.scale_delay(bounces.ARRIVAL)
    with autocommit(session.engine) as connection:
        bounces.record_bounce_search(connection, session.mailbox.id, history_id, times=times, arrival=arrival)


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


def _process_thread_message(session: MailboxSession, known: KnownMessages, message_id: str) -> None:
    """Process a new message in the thread of a warmup mail: a bounce, an auto-reply, or mail of a person."""
    try:
        message = session.gmail.get_message(message_id)
        if session.settings.token_header.lower() in message.headers:
            return  # a warmup reply; it is collected when it is due
        may_be_notice = delivery_status.may_be_notification(message.headers) and message.size <= _MAX_BOUNCE_BYTES
        if may_be_notice and _process_notice(session, known, message_id, thread_id=message.thread_id):
            return
        if delivery_status.is_auto_reply(message.headers) and (mail := _match_auto_reply(known, message.headers)):
            _archive_auto_reply(session, mail, message)
    except NotFoundError:
        pass  # a person deleted it meanwhile


def _archive_auto_reply(session: MailboxSession, mail: SentMail, message: Message) -> None:
    session.label_message(message.id, remove=("UNREAD", "INBOX"))
    with autocommit(session.engine) as connection:
        bounces.record_auto_reply(connection, mail.id, message.id)
    session.counts[MailEvent.AUTO_REPLIES] += 1


def _search_notices(
    session: MailboxSession, watch: BounceWatch, known: KnownMessages, *, read_ids: Collection[str]
) -> bool:
    """Read the messages of mail systems that no earlier search has read; return whether some are left.

    Which ones were read is stored also if the check ends early, so that the next one does not read them again.
    """
    since = watch.unfound_since
    after = f"after:{int(since.timestamp()) - 3600}" if since else "newer_than:7d"
    found = session.gmail.search_messages(f"{_SYSTEM_MAIL} {after}", limit=_MAX_FOUND)
    read = {*watch.read_notice_ids, *known.processed_ids, *read_ids}.intersection(found)
    unread = [message_id for message_id in found if message_id not in read]
    try:
        for message_id in session.while_permitted(unread[:MAX_READ_PER_SEARCH]):
            try:
                _process_notice(session, known, message_id)
            except NotFoundError:
                pass  # a person deleted it meanwhile
            read.add(message_id)
    finally:
        if read != watch.read_notice_ids:
            with autocommit(session.engine) as connection:
                bounces.store_read_notices(connection, session.mailbox.id, read)
    return len(unread) > MAX_READ_PER_SEARCH


def _process_notice(
    session: MailboxSession, known: KnownMessages, message_id: str, *, thread_id: str | None = None
) -> bool:
    """Record a delivery status notification if it is about one of our mails, and return whether it is."""
    raw = session.gmail.get_raw_message(message_id)
    bounce = delivery_status.parse_delivery_status(raw, token_header=session.settings.token_header)
    mail = None if bounce is None else _match_bounce(known, bounce, thread_id)
    own = None if bounce is None or mail is None else bounce.for_recipient(mail.recipient)
    if own is None or mail is None:
        return False
    session.label_message(message_id, remove=("UNREAD", "INBOX"))
    if own.kind is BounceKind.SENDING_LIMIT:
        _record_limit_notice(session, mail, message_id, own)
    elif _store_bounce(session.engine, mail.id, message_id, own):
        session.counts[MailEvent.BOUNCED] += 1
        session.bounces[own.kind] += 1
    return True


def _record_limit_notice(session: MailboxSession, mail: SentMail, message_id: str, bounce: Bounce) -> None:
    """Handle Google's notice of its sending limit like the same answer of the API; one about an old mail is recorded.

    The mailbox is deferred first, so that a crash in between repeats both.
    """
    if mail.is_of_last_day:
        sending_limit.defer_until_tomorrow(session)
    if _store_limit_notice(session.engine, mail.id, message_id, bounce):
        session.counts[MailEvent.REFUSED] += 1
        session.bounces[bounce.kind] += 1


@retry_conflict
def _store_limit_notice(engine: sa.Engine, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    with write_transaction(engine) as connection:
        entry = ledger.get_entry(connection, entry_id)
        daily_counters.lock_sender(connection, entry.sender_id)
        if not bounces.store_limit_notice(connection, entry_id, message_id, bounce):
            return False
        record_outcome(connection, entry, Outcome.FAILED)
    return True


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
    if bounce.kind is BounceKind.REJECTED:
        daily_counters.count_outcome(connection, entry, Outcome.REJECTED)
    record_outcome(connection, entry, Outcome.BOUNCED)
    return True


def _match_bounce(known: KnownMessages, bounce: Bounce, thread_id: str | None) -> SentMail | None:
    """Return the mail that a bounce is about; one without any identity is about the last mail of its thread."""
    mails = known.sent_mails  # newest first
    found = next((mail for mail in mails if mail.token in bounce.tokens), None)
    found = found or next((mail for mail in mails if mail.rfc_message_id in bounce.message_ids), None)
    if found is None and not bounce.tokens and not bounce.message_ids:
        found = next((mail for mail in mails if mail.thread_id == thread_id), None)
    return found


def _match_auto_reply(known: KnownMessages, headers: Mapping[str, str]) -> SentMail | None:
    replied_ids = delivery_status.find_replied_message_id(headers.get("in-reply-to", ""), headers.get("references", ""))
    return next((mail for mail in known.sent_mails if mail.rfc_message_id in replied_ids), None)

"""Look for notices: the bounces and auto-replies that a mailbox got for the warmup mails it sent.

Gmail's history costs 2 units and tells the threads of what came in, so that only messages in threads of ours are
looked at. A search for mails of the mail system (5 units) joins in where a mail is neither found nor bounced, or the
history is too old to be asked. Either way a message counts only if it names the token or Message-ID of a mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.gmail import delivery_status
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.models import AddedMessage, HistoryChanges, Message
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import bounces
from gmail_warmup.warmup.ledger.bounces import BounceWatch, KnownMessages, SentMail

_MAX_BOUNCE_BYTES = 1_000_000
"""Bytes of a bounce that is read; ours return mails of a few thousand."""
_OUTGOING_LABELS = frozenset(("SENT", "DRAFT"))


def process_bounces(desk: MailboxSession) -> None:
    """Find new notices, write them into the ledger, label and archive them."""
    with connect_autocommit(desk.engine) as connection:
        watch = bounces.load_bounce_watch(
            connection, desk.mailbox.id, patience=desk.scale_delay(2 * bounces.FIRST_SEARCH_DELAY)
        )
    if watch is None:
        return
    news = _fetch_history(desk, watch)
    came = [found for found in news.added if not found.labels & _OUTGOING_LABELS] if news else []
    if came or news is None or watch.unfound_since:
        with connect_autocommit(desk.engine) as connection:
            known = bounces.load_known_messages(connection, desk.mailbox.id)
        for message_id in dict.fromkeys(_find_candidate_ids(desk, watch, known, came, search=news is None)):
            if message_id not in known.processed_ids:
                _process_message(desk, known, message_id)
    history_id = news.history_id if news else desk.gmail.get_profile().history_id
    with connect_autocommit(desk.engine) as connection:
        bounces.record_bounce_search(connection, desk.mailbox.id, history_id, scale=desk.settings.delay_scale)


def _fetch_history(desk: MailboxSession, watch: BounceWatch) -> HistoryChanges | None:
    """Return what came in since the last look, or None when Gmail's history does not reach back so far."""
    if watch.history_id is None:
        return None
    try:
        return desk.gmail.list_new_messages(watch.history_id)
    except NotFoundError:
        return None


def _find_candidate_ids(
    desk: MailboxSession, watch: BounceWatch, known: KnownMessages, came: Iterable[AddedMessage], *, search: bool
) -> Iterator[str]:
    threads = {mail.thread_id for mail in known.sent_mails}
    yield from (found.id for found in came if found.thread_id in threads)
    since = watch.unfound_since
    if since or search:
        after = f"after:{int(since.timestamp()) - 3600}" if since else "newer_than:7d"
        yield from desk.gmail.search_messages(f"from:mailer-daemon in:anywhere {after}", limit=20)


def _process_message(desk: MailboxSession, known: KnownMessages, message_id: str) -> None:
    try:
        message = desk.gmail.get_message(message_id)
        if desk.settings.token_header.lower() in message.headers:
            return  # an answer of ours; it is collected when it is due
        if message.headers.get("content-type", "").lower().startswith("multipart/report"):
            _process_bounce_report(desk, known, message)
        elif delivery_status.is_auto_reply(message.headers) and (mail := _match_auto_reply(known, message.headers)):
            desk.label_message(message_id, remove=("UNREAD", *message.labels & {"INBOX"}))
            with desk.engine.begin() as connection:
                bounces.record_auto_reply(connection, mail.id, message_id)
            desk.counts["auto_replies"] += 1
    except NotFoundError:
        pass  # the person deleted it meanwhile


def _process_bounce_report(desk: MailboxSession, known: KnownMessages, message: Message) -> None:
    if message.size > _MAX_BOUNCE_BYTES:
        return
    bounce = delivery_status.parse_delivery_status(
        desk.gmail.get_raw_message(message.id), token_header=desk.settings.token_header
    )
    mail = bounce and _match_bounce(known, bounce)
    if not bounce or not mail:
        return
    desk.label_message(message.id, remove=("UNREAD", *message.labels & {"INBOX"}))
    with desk.engine.begin() as connection:
        if bounces.record_bounce(connection, mail.id, message.id, bounce):
            desk.counts["bounced"] += 1


def _match_bounce(known: KnownMessages, bounce: Bounce) -> SentMail | None:
    by_token = (mail for mail in known.sent_mails if mail.token in bounce.tokens)
    return next(by_token, None) or next(
        (mail for mail in known.sent_mails if mail.rfc_message_id in bounce.message_ids), None
    )


def _match_auto_reply(known: KnownMessages, headers: Mapping[str, str]) -> SentMail | None:
    named = delivery_status.find_replied_message_id(headers.get("in-reply-to", ""), headers.get("references", ""))
    return next((mail for mail in known.sent_mails if mail.rfc_message_id in named), None)

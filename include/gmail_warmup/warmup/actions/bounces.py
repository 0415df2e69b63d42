"""Look for notices: the bounces and auto-replies that a mailbox got for the warmup mails it sent.

Gmail's history costs 2 units and tells the threads of what came in, so that only messages in threads of ours are
looked at. A search for mails of the mail system (5 units) joins in where a mail is neither found nor bounced, or the
history is too old to be asked. Either way a message counts only if it names the token or Message-ID of a mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gmail_warmup.db.engine import by_itself
from gmail_warmup.gmail import delivery_status
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.models import Added, Message, News
from gmail_warmup.warmup.actions.session import Desk
from gmail_warmup.warmup.ledger import bounces
from gmail_warmup.warmup.ledger.bounces import Known, Sent, Watch

_LARGEST = 1_000_000
"""Bytes of a bounce that is read; ours return mails of a few thousand."""
_OWN = frozenset(("SENT", "DRAFT"))


def look_for_notices(desk: Desk) -> None:
    """Find new notices, write them into the ledger, label and archive them."""
    with by_itself(desk.engine) as connection:
        watch = bounces.watch(connection, desk.mailbox.id, patience=desk.scaled(2 * bounces.FIRST_LOOK))
    if watch is None:
        return
    news = _news(desk, watch)
    came = [found for found in news.added if not found.labels & _OWN] if news else []
    if came or news is None or watch.unfound_since:
        with by_itself(desk.engine) as connection:
            known = bounces.known_of(connection, desk.mailbox.id)
        for message_id in dict.fromkeys(_candidates(desk, watch, known, came, search=news is None)):
            if message_id not in known.message_ids:
                _look_at(desk, known, message_id)
    history_id = news.history_id if news else desk.gmail.profile().history_id
    with by_itself(desk.engine) as connection:
        bounces.looked(connection, desk.mailbox.id, history_id, scale=desk.settings.delay_scale)


def _news(desk: Desk, watch: Watch) -> News | None:
    """Return what came in since the last look, or None when Gmail's history does not reach back so far."""
    if watch.history_id is None:
        return None
    try:
        return desk.gmail.news(watch.history_id)
    except NotFoundError:
        return None


def _candidates(desk: Desk, watch: Watch, known: Known, came: Iterable[Added], *, search: bool) -> Iterator[str]:
    threads = {mail.thread_id for mail in known.sent}
    yield from (found.id for found in came if found.thread_id in threads)
    since = watch.unfound_since
    if since or search:
        after = f"after:{int(since.timestamp()) - 3600}" if since else "newer_than:7d"
        yield from desk.gmail.search(f"from:mailer-daemon in:anywhere {after}", limit=20)


def _look_at(desk: Desk, known: Known, message_id: str) -> None:
    try:
        message = desk.gmail.message(message_id)
        if desk.settings.token_header.lower() in message.headers:
            return  # an answer of ours; it is collected when it is due
        if message.headers.get("content-type", "").lower().startswith("multipart/report"):
            _look_at_report(desk, known, message)
        elif delivery_status.is_auto_reply(message.headers) and (mail := _answered(known, message.headers)):
            desk.file(message_id, remove=("UNREAD", *message.labels & {"INBOX"}))
            with desk.engine.begin() as connection:
                bounces.auto_replied(connection, mail.id, message_id)
            desk.counts["auto_replies"] += 1
    except NotFoundError:
        pass  # the person deleted it meanwhile


def _look_at_report(desk: Desk, known: Known, message: Message) -> None:
    if message.size > _LARGEST:
        return
    bounce = delivery_status.parse(desk.gmail.raw(message.id), token_header=desk.settings.token_header)
    mail = bounce and _returned(known, bounce)
    if not bounce or not mail:
        return
    desk.file(message.id, remove=("UNREAD", *message.labels & {"INBOX"}))
    with desk.engine.begin() as connection:
        if bounces.bounced(connection, mail.id, message.id, bounce):
            desk.counts["bounced"] += 1


def _returned(known: Known, bounce: Bounce) -> Sent | None:
    by_token = (mail for mail in known.sent if mail.token in bounce.tokens)
    return next(by_token, None) or next(
        (mail for mail in known.sent if mail.rfc_message_id in bounce.message_ids), None
    )


def _answered(known: Known, headers: Mapping[str, str]) -> Sent | None:
    named = delivery_status.answered(headers.get("in-reply-to", ""), headers.get("references", ""))
    return next((mail for mail in known.sent if mail.rfc_message_id in named), None)

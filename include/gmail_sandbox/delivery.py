"""Send and deliver mail: the sender's copy, the recipients' copies, bounces and vacation replies."""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Iterable
from email.utils import formataddr

from gmail_sandbox import mime
from gmail_sandbox.addresses import MESSAGE_ID_DOMAIN, domain_of, without_tag
from gmail_sandbox.authentication import build_results
from gmail_sandbox.bounce import UNKNOWN, auto_reply, bounce, limit_notice
from gmail_sandbox.clock import iso, mail_date
from gmail_sandbox.gmail.errors import GmailError, invalid_argument, mail_sending
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.mime import Content
from gmail_sandbox.records import MailCopy, MailRecord, Message
from gmail_sandbox.state import World

DAY = 86400
_OWN_ID = re.compile(rf"^<CA[\w+=-]+@{re.escape(MESSAGE_ID_DOMAIN)}>$")
ORIGINAL_ID = "X-Google-Original-Message-ID"


def send(
    world: World,
    sender: Mailbox,
    content: Content,
    method: str,
    *,
    asked_thread: str | None = None,
    thread: str | None = None,
) -> Message:
    """Accept a mail for sending and deliver it; return the sender's copy.

    The mail joins `asked_thread` only if References and subject match, and `thread` unconditionally.
    Raises GmailError if there is no valid recipient or the 24-hour sending limit is exceeded.
    """
    now = world.clock.now()
    recipients = content.addresses("to", "cc", "bcc")
    if not recipients:
        raise invalid_argument("Recipient address required")
    for address in recipients:
        if "@" not in address:
            raise invalid_argument(f"Invalid To header: {address}")
    _count_against_limit(sender, now)
    content = as_sent(world, sender, content)
    copy = put(world, sender, content, _sender_labels(sender, recipients), asked_thread=asked_thread, thread=thread)
    record = MailRecord(len(world.mails) + 1, sender.address, recipients, now, method, copy)
    world.mails.append(record)
    world.stats.of(sender.address).sent += 1
    due = now + world.settings.delivery_delay_seconds
    for address in recipients:
        if without_tag(address) != sender.address:
            heapq.heappush(world.in_transit, (due, world.next_number(), record, address))
    deliver_due(world)
    return copy


def deliver_due(world: World) -> None:
    """Deliver all mail that is due; called before each read of the state, so no background task is needed."""
    now = world.clock.now()
    while world.in_transit and world.in_transit[0][0] <= now:
        due, _, record, address = heapq.heappop(world.in_transit)
        _deliver(world, record, address, due)


def put(
    world: World,
    box: Mailbox,
    content: Content,
    labels: Iterable[str],
    *,
    asked_thread: str | None = None,
    thread: str | None = None,
    at: float | None = None,
) -> Message:
    """Add a mail to a mailbox: to `thread`, to the thread of its References, or to a new one."""
    at = world.clock.now() if at is None else at
    message_id = world.new_id()
    thread_id = thread or box.thread_for(content, asked_thread) or message_id
    message = Message(message_id, thread_id, content, set(labels), int(at * 1000))
    box.add(message, at)
    return message


def as_sent(world: World, sender: Mailbox, content: Content, *, draft: bool = False) -> Content:
    """Return the mail with the headers that Gmail sets: From, Date and Message-ID.

    A draft keeps a custom Message-ID until it is sent.
    """
    drop: set[str] = set()
    front: list[tuple[str, str]] = []
    if content.addresses("from") != [sender.address]:
        drop.add("from")
        front.append(("From", formataddr((sender.display_name, sender.address))))
    if not content.header("date"):
        front.append(("Date", mail_date(world.clock.now())))
    custom = content.rfc_id
    if not custom or (world.settings.replace_message_id and not draft and not _OWN_ID.match(custom)):
        drop.add("message-id")
        front.append(("Message-ID", new_message_id(world)))
        if custom:
            front.append((ORIGINAL_ID, custom))
    return content.changed(drop=drop, prepend=front) if front else content


def new_message_id(world: World) -> str:
    """Return a Message-ID in Gmail's format, under a reserved domain."""
    number = world.next_number()
    noise = random.Random(f"message-id|{world.settings.seed}|{number}").getrandbits(128)  # noqa: S311 - repeatable on purpose
    return f"<CA+{noise:032x}{number:x}@{MESSAGE_ID_DOMAIN}>"


def _sender_labels(sender: Mailbox, recipients: list[str]) -> set[str]:
    to_self = sender.address in map(without_tag, recipients)
    return {"SENT", "INBOX", "UNREAD"} if to_self else {"SENT"}


def _count_against_limit(sender: Mailbox, now: float) -> None:
    times = sender.sent_times
    while times and times[0] <= now - DAY:
        times.popleft()
    if len(times) >= sender.sending_limit:
        oldest = times[0] if times else now
        raise GmailError(mail_sending(iso(round(oldest + DAY))))
    times.append(now)


def _deliver(world: World, record: MailRecord, address: str, at: float) -> None:
    box, content, sender = world.mailbox(address), record.sent.content, world.mailbox(record.sender)
    if sender is not None and sender.limit_notice:
        raw = limit_notice(content, sender.address, new_message_id(world), at, sender.limit_notice, sender.bounce_form)
        _put_notice(world, sender, record, raw, at)
        return
    if box is None or box.refuses_with:
        _bounce(world, record, address, at, box)
        return
    front = [
        ("Delivered-To", box.address),
        ("Return-Path", f"<{record.sender}>"),
        ("Received", f"by {MESSAGE_ID_DOMAIN} with SMTP id {world.next_number():x}; {mail_date(at)}"),
        *build_results(
            record.sender, world.settings.authentication_faults_by_sender_domain.get(domain_of(record.sender), ())
        ),
    ]
    placement = place(world, record.sender, box)
    labels = {"UNREAD", placement} if placement == "SPAM" else {"UNREAD", "INBOX", placement}
    copy = put(world, box, content.changed(drop={"bcc"}, prepend=front), labels, at=at)
    record.copies.append(MailCopy(box.address, placement, copy))
    stats = world.stats.of(box.address)
    if placement == "SPAM":
        stats.delivered_spam += 1
    else:
        stats.delivered_inbox += 1
    _answer_by_itself(world, box, record, at)


def _answer_by_itself(world: World, box: Mailbox, record: MailRecord, at: float) -> None:
    """Send the vacation reply, unless the mail was generated automatically."""
    sender, content = world.mailbox(record.sender), record.sent.content
    if sender is None or not box.vacation or content.header("auto-submitted"):
        return
    raw = auto_reply(content, box.address, record.sender, box.vacation, new_message_id(world), at)
    put(world, sender, mime.read(raw), {"INBOX", "UNREAD"}, at=at)


def _bounce(world: World, record: MailRecord, address: str, at: float, box: Mailbox | None) -> None:
    record.bounced.append(address)
    sender = world.mailbox(record.sender)
    if sender is None:  # deleted while the mail was in transit
        return
    status, form = (box.refuses_with or UNKNOWN, box.bounce_form) if box else (UNKNOWN, "rfc3464")
    raw = bounce(record.sent.content, record.sender, address, new_message_id(world), at, status, form)
    _put_notice(world, sender, record, raw, at)
    world.stats.of(sender.address).bounced += 1


def _put_notice(world: World, sender: Mailbox, record: MailRecord, raw: bytes, at: float) -> None:
    thread = None if record.sent.deleted else record.sent.thread_id  # Gmail adds a notice to the thread of its mail
    put(world, sender, mime.read(raw), {"INBOX", "UNREAD"}, thread=thread, at=at)


def place(world: World, sender: str, box: Mailbox) -> str:
    """Decide the placement of a mail: SPAM, a category, or INBOX.

    Derived from the seed, the two addresses and the number of mails between them, so that concurrent activity
    elsewhere does not change it. The most specific chance applies: mailbox, sender's domain, recipient's domain,
    then the global one.
    """
    settings = world.settings
    pair = (sender, box.address)
    world.pair_counts[pair] += 1
    draw = random.Random(f"{settings.seed}|{sender}|{box.address}|{world.pair_counts[pair]}")  # noqa: S311 - repeatable on purpose
    chances = (
        box.spam_chance,
        settings.spam_chance_by_sender_domain.get(domain_of(sender)),
        settings.spam_chance_by_domain.get(domain_of(box.address)),
        settings.spam_chance,
    )
    if draw.random() < next(chance for chance in chances if chance is not None):
        return "SPAM"
    point = draw.random()
    for category, chance in settings.category_chances.items():
        if point < chance:
            return category
        point -= chance
    return "INBOX"

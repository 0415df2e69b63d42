"""Read notifications without a usable status part: plain text of mail systems, in many forms.

The text up to the returned mail is read for status codes, reply codes and the usual phrases. Such a text is accepted
only from a mail system, which its sender or its subject shows.
"""

from __future__ import annotations

import html
import re
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parseaddr

from gmail_warmup.gmail.returned_mail import RETURNED_TYPES, get_header
from gmail_warmup.gmail.status_fields import (
    ADDRESS,
    STATUS_CODE,
    STATUS_TYPE,
    Delivery,
    RecipientStatus,
    choose_status,
    find_reply_class,
    get_part_text,
)

_MAX_TEXT = 20_000
"""Number of characters that are read; the notices of mail systems have a few thousand."""
_MAX_LINE = 400
_MAX_OPENING = 600
"""Number of characters within which a mail system without a usual sender or subject says what it is about."""

_SYSTEM_NAMES = re.compile(
    r"(?i)mailer.?daemon|post.?master|mail.?daemon|mdaemon|mail.?(?:delivery|system|administrator)|"
    r"delivery.{0,4}(?:sub)?system|system administrator|(?:^|<)(?:daemon|mmdf|uucp|root)@"
)
_SYSTEM_SUBJECT = re.compile(
    r"(?i)undeliver|un.?delivered|(?:non|not?).?deliver|deliver(?:y|ing).{0,24}(?:fail|status|error|problem|report|"
    r"delay|notif|notice|unsuccess|has been)|return(?:ed|ing) (?:mail|message|to sender|e-?mail)|"
    r"fail(?:ure|ed).{0,16}(?:notice|mail|message|deliver|recipient)|"
    r"(?:could|can)(?: ?not|n't) be (?:deliver|sent)|mail.{0,10}(?:error|fail|problem)|"
    r"message.{0,12}(?:delay|reject|not sent)|(?:mail|message) (?:has )?bounced|user unknown|unknown user|"
    r"unzustellbar|non remis|onbestelbaar|n[ãa]o entregue|no se (?:pudo|puede|ha podido) entregar|non recapitabile|"
    r"недоставлен|не доставлен|配信|配達|エラーメール|メールエラー|退信|退回|aws notification message"
)
_SYSTEM_TEXT = re.compile(
    r"(?im)^[^\w\n>]*(?:your|the following|a) (?:message|mail|e-?mail)\b[^\n]{0,60}(?:could not|cannot|can't|was not|"
    r"has not been|wasn't) (?:be )?(?:delivered|sent)\b"
)
_REPLY_SUBJECT = re.compile(r"(?i)\s*(?:re|aw|fwd?|wg|out of office|auto|automatic reply)\b")
_DELAY = re.compile(
    r"(?i)(?:been|is|was|still|delivery|message|mail|temporarily) (?:being )?delayed|\(delay\)|delayed (?:mail|message|"
    r"deliver)|not (?:yet )?been delivered (?:yet|to one or more of\s+its recipients after)|not yet been delivered|"
    r"still being (?:tried|retried)|will be (?:retried|tried again)|will (?:continue|keep) (?:to (?:be|try)|trying|"
    r"retry)|attempts will continue|just a warning|warning message only|advisory.only|no action is required|"
    r"do(?:es)? not need to (?:take|do|re-?send)|has been postponed|still trying"
)
_FINAL = re.compile(
    r"(?i)permanent|giving up|gave up|given up on|fatal error|returned to sender|\(failure\)|will not be retried|"
    r"(?:is|been) abandoned"
)
_FAILURE = re.compile(
    r"(?i)undeliver|not? (?:be )?(?:deliver|sent|reach|send)|n't (?:be )?(?:deliver|reach)|fail|reject|refus|unknown|"
    r"return(?:ed|ing)|error|bounce|does(?: not|n't) exist|invalid|disabled|over.?quota|full|unable|no such|impossible|"
    r"not accept|problem"
)
_SUCCESS = re.compile(
    r"(?i)success(?:ful)?(?:ly)? (?:delivered|relayed|sent|mail delivery)|(?:delivery|relay) (?:was|has been) success|"
    r"^delivered:|^relayed:"
)
_MARKERS = (
    r"^[ \t>|]{0,8}[-=*_]{2}[^\n]{0,100}?(?:original (?:message|mail|text)|copy of|returned m|below (?:this|the next)|"
    r"headers?\b|unsent|forwarded message|source mail|start of returned)",
    r"^[^\n]{0,60}?(?:original message|message headers?|your message|returned m(?:ail|essage)|message text|"
    r"bounced e-?mail)[^\n]{0,20}(?:follows?|reads|attached|below)[^\w\n]{0,20}$",
    r"^[^\w\n]{0,20}(?:original message|bounced e-?mail)[ \t]{0,8}:?[ \t]{0,8}$",
)
_MARKER = re.compile("|".join(_MARKERS), re.IGNORECASE | re.MULTILINE)
_HEADER_LINE = re.compile(
    r"(?im)^[ \t>|]*(?:received|return-path|dkim-signature|x-received|message-id|delivered-to|mime-version|"
    r"x-google-dkim-signature)[ \t]*:[ \t]"
)
_TAG = re.compile(r"<[a-zA-Z/!][^<>@]{0,2000}>")


def read_notice_text(report: Message) -> list[RecipientStatus]:
    """Return what the text of a notification says; nothing if no mail system wrote it, or it reports no fault."""
    subject = _decode_header(get_header(report, "Subject"))
    failed_recipients = get_header(report, "X-Failed-Recipients")
    text = get_notice_text(report)
    if not (failed_recipients or _is_by_mail_system(report, subject, text)):
        return []
    delivery = _read_delivery(subject, text, is_certain=bool(failed_recipients) or _returns_mail(report))
    if delivery is None:
        return []
    status = next((found[0] for found in STATUS_CODE.finditer(text) if found[1] != "2"), "")
    return [
        RecipientStatus(
            addresses=frozenset(_find_recipients(report, failed_recipients, text)),
            delivery=delivery,
            status=choose_status(status, text, delivery),
            text=_find_server_text(text),
        )
    ]


def _is_by_mail_system(report: Message, subject: str, text: str) -> bool:
    return (
        report.get_content_type() == "multipart/report"
        or is_from_mail_system(get_header(report, "From"), subject)
        or bool(_SYSTEM_TEXT.search(text[:_MAX_OPENING]))
    )


def _returns_mail(report: Message) -> bool:
    """Return whether a mail system returns a mail: that is a failure in every language."""
    if not _SYSTEM_NAMES.search(get_header(report, "From")):
        return False
    return any(part.get_content_type() in RETURNED_TYPES for part in report.walk())


def is_from_mail_system(sender: str, subject: str) -> bool:
    """Return whether sender or subject show that a mail system wrote a message."""
    if _SYSTEM_NAMES.search(sender):
        return True
    return bool(_SYSTEM_SUBJECT.search(subject)) and not _REPLY_SUBJECT.match(subject)


def get_notice_text(report: Message) -> str:
    """Return what the mail system wrote: the text parts up to the returned mail, plain text if there is any."""
    plain, marked_up = [], []
    for part in _walk_notice(report):
        if part.get_content_type() == "text/html":
            marked_up.append(_remove_markup(get_part_text(part)))
        elif part.get_content_maintype() == "text" or part.get_payload(decode=True):
            plain.append(get_part_text(part))
    text = "\n".join(plain if any(found.strip() for found in plain) else marked_up)
    lines = (line[:_MAX_LINE] for line in text[:_MAX_TEXT].splitlines())
    return _cut_returned_mail("\n".join(lines))


def _remove_markup(text: str) -> str:
    start = max(text.lower().find("<body"), 0)
    return html.unescape(_TAG.sub(" ", text[start : start + 5 * _MAX_TEXT]))


def _walk_notice(part: Message) -> list[Message]:
    """Return the leaves of a message outside the returned mail and the status part."""
    if part.get_content_type() in {*RETURNED_TYPES, STATUS_TYPE}:
        return []
    content = part.get_payload()
    if not isinstance(content, list):
        return [part]
    return [leaf for child in content if isinstance(child, Message) for leaf in _walk_notice(child)]


def _cut_returned_mail(text: str) -> str:
    starts = [found.start() for found in (_MARKER.search(text), _HEADER_LINE.search(text)) if found]
    cut = text[: min(starts, default=len(text))]
    return cut if cut.strip() else text


def _read_delivery(subject: str, text: str, *, is_certain: bool) -> Delivery | None:
    whole = f"{subject}\n{text}"
    if _DELAY.search(whole) and not _FINAL.search(whole):
        return Delivery.DELAYED
    if _SUCCESS.search(whole) and not find_reply_class(text):
        return None
    if is_certain or find_reply_class(text) or _FAILURE.search(whole):
        return Delivery.FAILED
    return None


def _find_recipients(report: Message, failed_recipients: str, text: str) -> list[str]:
    """Return the recipients: those of the header, else the addresses in the text, without those of the notice."""
    if failed_recipients:
        return [address.lower() for _, address in getaddresses([failed_recipients]) if "@" in address]
    own = {parseaddr(get_header(report, name))[1].lower() for name in ("From", "To", "Sender", "Reply-To")}
    found = dict.fromkeys(address.lower().removeprefix("smtp=").rstrip(".>,;") for address in ADDRESS.findall(text))
    others = [address for address in found if address not in own]
    return [address for address in others if not address.startswith("postmaster@")] or others


def _find_server_text(text: str) -> str:
    """Return the line with the first status or reply code, and what follows it in its paragraph."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if find_reply_class(line):
            rest = "\n".join(lines[number : number + 8])
            return " ".join(rest.partition("\n\n")[0].split())
    return ""


def _decode_header(value: str) -> str:
    try:
        return str(make_header(decode_header(value[:_MAX_LINE])))
    except (ValueError, LookupError):
        return value[:_MAX_LINE]

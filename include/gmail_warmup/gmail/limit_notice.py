"""Recognize Google's mail about the sending limit: "You have reached a limit for sending mail."

Gmail may accept a mail and take it back with such a notice. It is recognized by the status code 5.4.5 or a link to
Google's page about the limits. Without either, for example if the status part is empty, the sentence of Google's pages
counts; it follows the language of the account (support.google.com/mail/answer/22839 and
support.google.com/a/answer/166852, with ``hl=``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import Message
from email.utils import parseaddr

from gmail_warmup.gmail.returned_mail import get_header
from gmail_warmup.gmail.status_fields import RecipientStatus

_SENDERS = frozenset({"mailer-daemon", "mail-noreply", "postmaster", "nobody"})
_GOOGLE_SERVER = re.compile(r"(?:^|\.)(?:google|googlemail|gmail)\.com\.?$")
_STATUS = re.compile(r"(?<![\d.])[45]\.4\.5(?![\d.]*\d)")
_LINK = re.compile(
    r"support\.google\.com/\S*(?:answer[/=](?:22839|166852)\b|[?&]p=(?:\w*daily\w*limit\w*|\w*sending_?limit\w*|limitexceeded))",
    re.IGNORECASE,
)
_WORDS: dict[str, tuple[str, str, str]] = {
    "en": (r"limit|quota", r"\bsend", r"reached|exceeded"),
    "cs": (r"limit", r"odesíl|odesl|posíl", r"dosáh|dosaž|překroč"),
    "da": (r"grænse", r"sende|afsend", r"nået|overskredet"),
    "de": (r"limit|grenze|beschränkung|kontingent", r"send|versand", r"erreicht|überschritten"),
    "el": (r"όριο", r"αποστολή", r"συμπληρώ|φτάσ|υπερβ"),
    "es": (r"límite", r"env[íi]", r"alcanz|super|exced"),
    "fi": (r"raja", r"lähet", r"saavut|ylit|täyn"),
    "fr": (r"limite", r"envo[iy]", r"attein|dépass"),
    "hu": (r"korlát|keret", r"küld", r"elért|elérte|túllép"),
    "id": (r"batas", r"kirim", r"mencapai|melebihi|melampaui"),
    "it": (r"limite", r"invi[oa]", r"raggiunto|superato"),
    "ja": (r"制限|上限", r"送信", r"達し|超え"),
    "ko": (r"한도|제한", r"보내|보낼|전송|발송", r"도달|초과"),
    "nb": (r"grense", r"send", r"nådd|overskred"),
    "nl": (r"limiet", r"verzend|versturen|verstuur", r"bereikt|overschreden"),
    "pl": (r"limit", r"wysył|wysłan", r"osiągn|przekrocz"),
    "pt": (r"limite", r"envi", r"ating|alcanç|exced|ultrapass"),
    "ro": (r"limit", r"trimite|expedie", r"atins|depăș"),
    "ru": (r"ограничени|лимит", r"отправ", r"превы|достиг|исчерпа"),
    "sv": (r"gräns", r"skicka|sänd", r"nått|uppnått|överskrid"),
    "th": (r"ขีดจำกัด|จำนวนจำกัด", r"ส่ง", r"ถึง|เกิน"),
    "tr": (r"sınır|limit|kota", r"gönder", r"ulaş|aş"),  # noqa: RUF001 - Turkish
    "uk": (r"ліміт|обмеження", r"надсил|відправ", r"вичерпа|перевищ|досяг"),
    "vi": (r"giới hạn|hạn mức", r"gửi", r"đạt|vượt"),
    "zh": (r"上限|限制|限额|限額", r"发送|傳送|寄送|发件|發送", r"达到|達到|已达|已達|超出|超过|超過"),
}
"""By language: words for the limit, for sending, and for reaching or exceeding it. All three are in one sentence."""
_SENTENCE_END = re.compile(r"[.!?。!?\"”»]\s|[。!?]|\n\s*\n")
_PATTERNS = tuple(tuple(re.compile(word, re.IGNORECASE) for word in words) for words in _WORDS.values())
_ABOUT_RECEIVING = re.compile(r"receiv|empf[äa]ng|réception|mailbox is|storage|speicher|recipient", re.IGNORECASE)
_MAX_SENTENCES = 40


def is_limit_notice(report: Message, statuses: Sequence[RecipientStatus], text: str) -> bool:
    """Return whether a notification is Google's notice that the sender reached its daily sending limit.

    What another mail server answered is not such a notice, whatever it says.

    Args:
        statuses: what the status part says; empty without one.
        text: what the mail system wrote.
    """
    sender = parseaddr(get_header(report, "From"))[1].lower()
    if sender.partition("@")[0] not in _SENDERS:
        return False
    if any(found.remote_server and not _GOOGLE_SERVER.search(found.remote_server) for found in statuses):
        return False
    said = "\n".join([text, *(f"{found.status} {found.text}" for found in statuses)])
    return bool(_STATUS.search(said) or _LINK.search(said)) or _has_limit_sentence(text)


def _has_limit_sentence(text: str) -> bool:
    for sentence in _SENTENCE_END.split(text)[:_MAX_SENTENCES]:
        if not _ABOUT_RECEIVING.search(sentence) and any(
            all(word.search(sentence) for word in words) for words in _PATTERNS
        ):
            return True
    return False

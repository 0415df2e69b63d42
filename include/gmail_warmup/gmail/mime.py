"""Build a mail as RFC 5322 bytes and as the base64url that Gmail accepts.

This module builds the header lines, the standard library's email package only the body: `EmailMessage` decodes encoded
words in its input, so that `=?utf-8?q?=0D=0ABcc:...?=` in a subject becomes a header of its own (cpython
issue 121650, seen with Python 3.11.7), drops the quotes of long display names when it folds them, and
encodes message ids longer than a line.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP

from gmail_warmup.core.characters import (
    find_character,
    is_unsafe_in_paragraphs,
    is_unsafe_in_text,
)
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.gmail.models import Attachment
from gmail_warmup.gmail.outgoing.attachments import add_attachments, check_attachments

# 7bit: non-ASCII bodies become quoted-printable or base64, whichever is shorter, and pass any server unchanged.
_POLICY = SMTP.clone(cte_type="7bit")
_CRLF = "\r\n"
_LINE_LENGTH = 76
# RFC 5322 allows 998 characters per line; the difference leaves room for the name of the header.
_MAX_VALUE_LENGTH = 900

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,500}@[!-;=?A-~]{1,390}>")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,70}")
_HEADER_VALUE = re.compile(rf"[!-~](?:[ -~]{{0,{_MAX_VALUE_LENGTH - 2}}}[!-~])?")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_RESERVED_HEADERS = frozenset(
    ("from", "sender", "to", "cc", "bcc", "subject", "message-id", "in-reply-to", "references", "mime-version")
)


@dataclass(frozen=True, kw_only=True)
class OutgoingMail:
    """A mail to send: bare addresses, unencoded names, message ids with their angle brackets.

    `headers` contains additional headers; it cannot replace headers that the other fields or the body set.
    """

    sender: str
    sender_name: str | None
    recipient: str
    recipient_name: str | None
    subject: str
    text: str
    html: str | None
    message_id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    other_recipients: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def build_message(mail: OutgoingMail) -> bytes:
    """Return a mail as RFC 5322 with its plain text, HTML part and attachments; the result is deterministic.

    It has no Date: Gmail sets the time of sending, and removes Bcc.

    Raises:
        InvalidInputError: naming the field that contains a control character or is not valid in its header.
    """
    lines = [
        ("From", _format_mailbox("sender", mail.sender, mail.sender_name)),
        ("To", _format_recipients(mail)),
        *_format_copies(mail),
        ("Subject", _format_text("subject", mail.subject, header="Subject")),
        ("Message-ID", require_message_id("message_id", mail.message_id)),
    ]
    if mail.in_reply_to is not None:
        lines.append(("In-Reply-To", require_message_id("in_reply_to", mail.in_reply_to)))
    if mail.references:
        lines.append(("References", f"{_CRLF} ".join(require_message_id("references", one) for one in mail.references)))
    lines += [_check_header(name, value) for name, value in mail.headers.items()]
    head = "".join(f"{name}: {value}{_CRLF}" for name, value in lines)
    return head.encode("ascii") + _build_body(mail)


def encode_message(mail: OutgoingMail) -> str:
    """Return a mail in base64url, the form of the field `raw` of Gmail's messages and drafts.

    Raises:
        InvalidInputError: as `build_message` does.
    """
    return base64.urlsafe_b64encode(build_message(mail)).decode("ascii")


def make_message_id(token: str, address: str) -> str:
    """Return a message id made from a token and the domain of an address.

    Raises:
        InvalidInputError: if the address is invalid, or the token contains other characters than letters, digits, dots,
            hyphens and underscores.
    """
    if not _TOKEN.fullmatch(token):
        raise InvalidInputError("token: use up to 100 letters, digits, dots, hyphens and underscores.")
    return f"<{token}@{_check_address('address', address).rpartition('@')[2]}>"


def _build_body(mail: OutgoingMail) -> bytes:
    check_attachments(mail.attachments)
    body = EmailMessage(policy=_POLICY)
    body.set_content(_check_content("text", mail.text))
    if mail.html is not None:
        body.add_alternative(_check_content("html", mail.html), subtype="html")
    add_attachments(body, mail.attachments)
    # The default boundary is random and reveals that Python built the mail.
    digest = hashlib.sha256(f"{mail.message_id}\n{mail.text}\n{mail.html}".encode()).hexdigest()
    for number, part in enumerate(part for part in body.walk() if part.is_multipart()):
        part.set_boundary(digest[8 * number : 8 * number + 32])
    return body.as_bytes()


def _format_recipients(mail: OutgoingMail) -> str:
    first = _format_mailbox("recipient", mail.recipient, mail.recipient_name)
    return f",{_CRLF} ".join((first, *(_check_address("other_recipients", one) for one in mail.other_recipients)))


def _format_copies(mail: OutgoingMail) -> Iterator[tuple[str, str]]:
    for name, addresses in (("Cc", mail.cc), ("Bcc", mail.bcc)):
        if addresses:
            yield name, f",{_CRLF} ".join(_check_address(name.lower(), address) for address in addresses)


def _format_mailbox(field_name: str, address: str, name: str | None) -> str:
    address = f"<{_check_address(field_name, address)}>"
    phrase = _format_phrase(f"{field_name}_name", name or "")
    if not phrase:
        return address[1:-1]
    together = len(phrase.rpartition(_CRLF)[2]) + len("From: ") + len(address) < _LINE_LENGTH
    return f"{phrase}{' ' if together else f'{_CRLF} '}{address}"


def _format_phrase(field_name: str, name: str) -> str:
    """Return a display name encoded for its header: as atoms, quoted, or as encoded words."""
    name = _check_header_text(field_name, name).strip()
    if not _is_plain(name) or len(name) > _LINE_LENGTH:
        return _encode_words(name, header="From")
    if not name or _ATOMS.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _format_text(field_name: str, text: str, *, header: str) -> str:
    """Return text encoded for its header: unchanged, folded between words, or as encoded words."""
    text = _check_header_text(field_name, text).strip()
    if _is_plain(text) and max(map(len, text.split(" "))) < _LINE_LENGTH - len(header) - 2:
        return Header(text, "us-ascii", maxlinelen=_LINE_LENGTH, header_name=header).encode(linesep=_CRLF)
    return _encode_words(text, header=header)


def _is_plain(text: str) -> bool:
    # "=?" would be decoded as an encoded word; a long run of spaces would become a separate line.
    return text.isascii() and "=?" not in text and "  " not in text


def _encode_words(text: str, *, header: str) -> str:
    return Header(text, "utf-8", maxlinelen=_LINE_LENGTH, header_name=header).encode(linesep=_CRLF)


def _check_header(name: str, value: str) -> tuple[str, str]:
    field_name = f"headers[{name!r}]"
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED_HEADERS or name.lower().startswith("content-"):
        raise InvalidInputError(f"{field_name}: not a header that may be added.")
    if not _HEADER_VALUE.fullmatch(_check_header_text(field_name, value)) or "=?" in value:
        raise InvalidInputError(
            f"{field_name}: use up to {_MAX_VALUE_LENGTH} printable ASCII characters, no encoded words."
        )
    return name, value


def _check_address(field_name: str, address: str) -> str:
    if not _ADDRESS.fullmatch(_check_header_text(field_name, address)) or "=?" in address:
        raise InvalidInputError(
            f"{field_name}: {address[:100]!r} is not a bare ASCII mail address like ada@example.com."
        )
    return address


def require_message_id(field_name: str, value: str) -> str:
    """Return a message id, which then has no other meaning in a header or in a search.

    Raises:
        InvalidInputError: naming the field, if it is not a message id.
    """
    if not _MESSAGE_ID.fullmatch(_check_header_text(field_name, value)) or "=?" in value:
        raise InvalidInputError(f"{field_name}: not a message id like <token@example.com>.")
    return value


def _check_header_text(field_name: str, text: str) -> str:
    """Return a header's text after checking that it has no control character, line separator or lone surrogate."""
    if found := find_character(text, is_unsafe_in_text):
        raise InvalidInputError(
            f"{field_name}: must not contain control characters or line breaks; it contains {found}."
        )
    return text


def _check_content(field_name: str, text: str) -> str:
    """Return a part's text after checking for lone surrogates and control characters other than tab, CR and LF."""
    if found := find_character(text, is_unsafe_in_paragraphs):
        raise InvalidInputError(
            f"{field_name}: must not contain control characters other than tabs and line breaks; it contains {found}."
        )
    return text

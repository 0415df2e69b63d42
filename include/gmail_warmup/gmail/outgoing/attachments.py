"""Attachments of mails: add them to a mail that is built, read them from one that was received."""

from __future__ import annotations

import email
import re
from collections.abc import Sequence
from email.message import EmailMessage, Message
from email.policy import default

from gmail_warmup.core.characters import find_character, is_unsafe_in_name
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.gmail.models import Attachment

MAX_TOTAL_BYTES = 5_000_000
"""Maximum size of all attachments of a mail that is sent. A request to the Gmail API contains the whole mail."""

_MAX_NAME_LENGTH = 200
_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}", re.I)


def check_attachments(attachments: Sequence[Attachment]) -> None:
    """Check names, types and the total size.

    Raises:
        InvalidInputError: naming the attachment and the rule.
    """
    for attachment in attachments:
        name = attachment.filename
        if not 0 < len(name) <= _MAX_NAME_LENGTH or "=?" in name or find_character(name, is_unsafe_in_name):
            raise InvalidInputError(
                f"attachment {name[:50]!r}: the name needs 1 to {_MAX_NAME_LENGTH} characters without control "
                "characters and encoded words. Rename the file."
            )
        if not _CONTENT_TYPE.fullmatch(attachment.content_type):
            raise InvalidInputError(
                f"attachment {name!r}: {attachment.content_type[:50]!r} is not a content type of an attachment. "
                "Use one such as application/pdf."
            )
    total = sum(len(attachment.data) for attachment in attachments)
    if total > MAX_TOTAL_BYTES:
        raise InvalidInputError(
            f"attachments: {total} bytes; up to {MAX_TOTAL_BYTES} can be sent. Send a link to the file instead."
        )


def add_attachments(body: EmailMessage, attachments: Sequence[Attachment]) -> None:
    """Add checked attachments to the body of a mail."""
    for attachment in attachments:
        kind, _, subtype = attachment.content_type.partition("/")
        body.add_attachment(attachment.data, maintype=kind, subtype=subtype, filename=attachment.filename)


def extract_attachments(raw: bytes) -> list[Attachment]:
    """Return the attachments of a mail in RFC 5322 format, in their order; an attached mail is one, unopened."""
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return [_read_part(part, number) for number, part in enumerate(message.iter_attachments(), 1)]


def _read_part(part: EmailMessage, number: int) -> Attachment:
    content_type = part.get_content_type()
    content = part.get_payload() if content_type == "message/rfc822" else part.get_payload(decode=True)
    if isinstance(content, list):
        data = b"".join(inner.as_bytes() for inner in content if isinstance(inner, Message))
    else:
        data = content if isinstance(content, bytes) else b""
    return Attachment(filename=part.get_filename() or f"attachment-{number}", content_type=content_type, data=data)

"""Find which mail a notification returns: the warmup tokens and Message-IDs in its parts and in its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

from gmail_warmup.gmail.status_fields import get_part_text

MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
RETURNED_TYPES = frozenset(
    {"message/rfc822", "message/global", "message/partial", "text/rfc822-headers", "message/global-headers"}
)
_TOKEN = re.compile(r"[0-9a-f]{32}")
_ID_HEADERS = ("Message-ID", "X-Google-Original-Message-ID")
_ID_LINE = re.compile(r"(?im)^[ \t>|]*(?:Message-ID|X-Google-Original-Message-ID)[ \t]*:\s*(<[^<>\s]{1,900}>)")
_MAX_TEXT = 200_000
"""Number of characters of a text part in which the headers of a returned mail are searched for."""


def find_identities(report: Message, *, token_header: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tokens and the Message-IDs of the mails that a report returns, whole or as headers only.

    A report without a part for the returned mail, such as one in plain text, often has its headers in the text.
    """
    tokens: set[str] = set()
    ids: set[str] = set()
    for part in report.walk():
        if part.get_content_type() in RETURNED_TYPES:
            for head in _read_heads(part):
                tokens.update(_find_tokens(head, token_header))
                ids.update(_find_ids(head))
        elif part.get_content_maintype() == "text":
            text = get_part_text(part)[:_MAX_TEXT]
            line = rf"(?im)^[ \t>|]*{re.escape(token_header)}[ \t]*:\s*([0-9a-f]{{32}})\b"
            tokens.update(token.lower() for token in re.findall(line, text))
            ids.update(_ID_LINE.findall(text))
    return frozenset(tokens), frozenset(ids)


def get_header(head: Message, name: str) -> str:
    """Return a header as text; an empty one if it is missing."""
    return str(head.get(name, ""))


def _read_heads(part: Message) -> Iterator[Message]:
    """Yield the headers of a returned mail; some parts have headers of their own only, followed by the mail."""
    content = part.get_payload()
    if isinstance(content, list):
        yield from (head for head in content if isinstance(head, Message))
    else:
        yield _parse_head(get_part_text(part))


def _parse_head(text: str) -> Message:
    from email import message_from_string

    return message_from_string(text.lstrip())


def _find_tokens(head: Message, token_header: str) -> Iterator[str]:
    for value in head.get_all(token_header, ()):
        if _TOKEN.fullmatch(token := str(value).strip()):
            yield token


def _find_ids(head: Message) -> Iterator[str]:
    for name in _ID_HEADERS:
        yield from MESSAGE_ID.findall(get_header(head, name))[:1]

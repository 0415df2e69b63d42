"""Parse RFC 822 mails, rewrite headers as Gmail does, and build Gmail's `MessagePart`."""

from __future__ import annotations

import base64
import functools
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from email.utils import getaddresses
from typing import Any

_FIELD_END = re.compile(rb"\r?\n(?![ \t])")
_WORD = re.compile(r"[^\W_]+")
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_REPLY_PREFIX = re.compile(r"^\s*(?:(?:re|fwd?|aw|sv|antw)\s*:\s*)+", re.IGNORECASE)
_TAG = re.compile(r"<(?:style|script)\b.*?</(?:style|script)>|<[^>]+>", re.IGNORECASE | re.DOTALL)


def words(text: str) -> str:
    """Normalize text to words separated and surrounded by spaces, so that a substring test finds phrases."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


@dataclass(slots=True)
class Content:
    """A mail with the parsed fields that search and threading use."""

    raw: bytes
    headers: list[tuple[str, str]]
    text: str
    mime_type: str
    _words: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """Return the first header of this name, or an empty string."""
        lowered = name.lower()
        return next((value for key, value in self.headers if key.lower() == lowered), "")

    def addresses(self, *names: str) -> list[str]:
        """Return the distinct lower-case addresses of these headers, in order."""
        values = [value for key, value in self.headers if key.lower() in names]
        return list(dict.fromkeys(address.strip().lower() for _, address in getaddresses(values) if address))

    def words_of(self, part: str) -> str:
        """Return the words of a header, or of the body for `text`."""
        if part not in self._words:
            self._words[part] = words(self.text if part == "text" else self.header(part))
        return self._words[part]

    @property
    def rfc_id(self) -> str:
        """Return the Message-ID with its angle brackets."""
        return self.header("message-id").strip()

    @property
    def references(self) -> set[str]:
        """Return the Message-IDs in In-Reply-To and References."""
        return set(_MESSAGE_ID.findall(f"{self.header('in-reply-to')} {self.header('references')}"))

    @property
    def thread_subject(self) -> str:
        """Return the normalized subject without reply prefixes."""
        return " ".join(_REPLY_PREFIX.sub("", self.header("subject")).lower().split())

    @property
    def snippet(self) -> str:
        """Return the beginning of the text, HTML-escaped as in Gmail."""
        return html.escape(" ".join(self.text.split())[:200], quote=True)

    def changed(self, *, drop: Iterable[str] = (), prepend: Iterable[tuple[str, str]] = ()) -> Content:
        """Return a copy without the headers in `drop` (lower-case names) and with those in `prepend` at the top."""
        dropped, front = set(drop), list(prepend)
        head, separator, body = _split(self.raw)
        remaining = [row for row in _FIELD_END.split(head) if row and _name(row) not in dropped]
        added = [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in front]
        raw = b"\r\n".join(added + remaining) + separator + body
        shown = [(name, _shown(_header(name, value))) for name, value in front]
        headers = shown + [row for row in self.headers if row[0].lower() not in dropped]
        return replace(self, raw=raw, headers=headers, _words={})

    def payload(self, only_headers: Iterable[str] = ()) -> dict[str, Any]:
        """Return Gmail's `MessagePart` without bodies, optionally with only the named headers."""
        selected = {name.lower() for name in only_headers}
        rows = [(name, value) for name, value in self.headers if not selected or name.lower() in selected]
        return {"mimeType": self.mime_type, "headers": [{"name": n, "value": v} for n, v in rows]}


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    match = re.search(rb"\r?\n\r?\n", raw)
    return (raw, b"\r\n\r\n", b"") if match is None else (raw[: match.start()], b"\r\n\r\n", raw[match.end() :])


def _name(row: bytes) -> str:
    return row.partition(b":")[0].strip().lower().decode("latin-1")


class _Lenient(EmailPolicy):
    """The standard library's policy, except that headers it cannot parse are returned unparsed."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return _header(name, value)


_PARSER_ERRORS = (IndexError, AttributeError, ValueError, TypeError, LookupError, MessageError)
_STRICT, _POLICY = EmailPolicy(), _Lenient()


@functools.lru_cache(maxsize=4096)
def _header(name: str, value: str) -> str:
    """Parse a header; cached, because the parser is slow and most values repeat."""
    try:
        parsed: str = _STRICT.header_fetch_parse(name, value)
        return parsed
    except _PARSER_ERRORS:
        return _shown(value)


def _shown(value: str) -> str:
    return re.sub(r"[\r\n]+[ \t]*", " ", value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _parse(raw: bytes) -> EmailMessage:
    message = BytesParser(policy=_POLICY).parsebytes(raw)
    assert isinstance(message, EmailMessage)  # EmailPolicy always builds EmailMessage
    return message


def _headers(part: EmailMessage) -> list[tuple[str, str]]:
    return [(name, _shown(str(value))) for name, value in part.items()]


def _text(part: EmailMessage) -> str:
    """Return the readable text; empty if the charset is unknown or the transfer encoding is broken."""
    body = part.get_body(("plain", "html"))
    if body is None:
        return ""
    try:
        content = str(body.get_content())
    except (LookupError, KeyError, ValueError):
        return ""
    if body.get_content_subtype() == "html":
        return html.unescape(_TAG.sub(" ", content))
    return content


def read(raw: bytes) -> Content:
    """Parse a mail."""
    message = _parse(raw)
    return Content(raw, _headers(message), _text(message), message.get_content_type())


def has_attachment(raw: bytes) -> bool:
    """Return whether a part of a mail has a file name."""
    return any(part.get_filename() for part in _parse(raw).walk())


def payload(raw: bytes) -> dict[str, Any]:
    """Return a mail as Gmail's `MessagePart`, with bodies."""
    return _part(_parse(raw), "")


def _part(part: EmailMessage, part_id: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "partId": part_id,
        "mimeType": part.get_content_type(),
        "filename": part.get_filename() or "",
        "headers": [{"name": name, "value": value} for name, value in _headers(part)],
        "body": {"size": 0},
    }
    if part.is_multipart():
        prefix = f"{part_id}." if part_id else ""
        children = [child for child in part.iter_parts() if isinstance(child, EmailMessage)]
        if part.get_content_maintype() != "multipart":  # message/rfc822 and message/delivery-status
            children = [child for child in part.get_payload() if isinstance(child, EmailMessage)]
        result["parts"] = [_part(child, f"{prefix}{number}") for number, child in enumerate(children)]
        return result
    data = part.get_payload(decode=True)
    if isinstance(data, bytes) and data:
        # Gmail returns large parts by attachmentId; the parts here are small enough to be inlined.
        result["body"] = {"size": len(data), "data": base64.urlsafe_b64encode(data).decode()}
    return result

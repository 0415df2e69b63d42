"""Why a mail bounced: one table from the enhanced status code and the server's text to the kind of the bounce.

Sources: RFC 3463, RFC 7372 and RFC 7505, and Google's list of SMTP errors (support.google.com/a/answer/3726730).
"""

from __future__ import annotations

import re

from gmail_warmup.core.enums import BounceKind

_BY_STATUS: tuple[tuple[str, BounceKind], ...] = (
    (r".\.1\.[78]|.\.7\.\d+", BounceKind.REJECTED),  # 5.1.8: the sender's address is blocked
    (r"5\.4\.[14]", BounceKind.UNKNOWN_RECIPIENT),  # 5.4.1: how Exchange refuses an unknown recipient
    (r".\.2\.2|.\.3\.1", BounceKind.MAILBOX_FULL),
    (r".\.2\.3|.\.3\.4|.\.6\.\d+", BounceKind.MESSAGE),
    (r".\.1\.\d+|5\.2\.\d+", BounceKind.UNKNOWN_RECIPIENT),
    (r"4\.2\.\d+|.\.3\.\d+|.\.4\.\d+|4\.[05]\.\d+", BounceKind.UNREACHABLE),
)
"""The first pattern that matches the whole status code counts."""
_BY_TEXT: tuple[tuple[str, BounceKind], ...] = (
    (r"spam\b|spamhaus|unsolicited|black.?list|block.?list|\bd?n?s?rbl\b|reputation|likely (?:un|sus)|suspicious|"
     r"(?:is|been|are|message|mail|address|host|server|ip|temporarily) blocked|blocked (?:by|using|for|because)|"
     r"unauthenticated|\bdmarc\b|\bdkim\b|\bspf\b|sender policy|policy (?:violation|reason)|against policy|"
     r"violat\w+ .{0,30}policy|low reputation|bulk mail", BounceKind.REJECTED),
    (r"(?:mailbox|inbox|account|storage|quota) .{0,30}(?:full|exceeded|over)|over.?quota|out of storage|disk quota|"
     r"quota exceeded|insufficient (?:disk|storage)|exceed\w* .{0,30}(?:quota|storage)|mailbox full",
     BounceKind.MAILBOX_FULL),
    (r"(?:user|recipient|address|mailbox|account|domain|host) (?:is )?(?:unknown|not found|disabled|inactive|invalid|"
     r"unavailable|not listed)|(?:unknown|invalid|no such|bad destination) (?:user|recipient|address|mailbox|local|"
     r"account|domain|host|person)|does(?: not|n'?t) exist|not a (?:valid|known) (?:user|mailbox)|no mailbox|"
     r"unrouteable|recipient (?:address )?rejected|listed in domino directory|no longer (?:valid|exists)",
     BounceKind.UNKNOWN_RECIPIENT),
    (r"too (?:large|big)|(?:size|length) (?:limit|exceed)|attachment", BounceKind.MESSAGE),
    (r"timed? ?out|connection (?:refused|lost|reset|failed)|could not (?:connect|resolve)|temporar|try again|greylist|"
     r"too many|rate limit|unreachable|no route|not responding", BounceKind.UNREACHABLE),
)  # fmt: skip
_STATUS_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _BY_STATUS)
_TEXT_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _BY_TEXT)
_VAGUE_STATUS = re.compile(r".\.0\.\d+|.\.1\.0|.\.5\.\d+|5\.2\.0|5\.3\.0")
"""Status codes that mail servers use for any reason; the text says more."""


def find_bounce_kind(status: str, text: str) -> BounceKind:
    """Return why a mail bounced, by its enhanced status code; a vague code counts only if the text says nothing."""
    by_status = next((kind for pattern, kind in _STATUS_PATTERNS if pattern.fullmatch(status)), None)
    if by_status and not _VAGUE_STATUS.fullmatch(status):
        return by_status
    by_text = next((kind for pattern, kind in _TEXT_PATTERNS if pattern.search(text)), None)
    return by_text or by_status or BounceKind.OTHER

"""Read the status part of a delivery status notification: the fields of RFC 3464 and RFC 6533 for each recipient.

Mail systems deviate from the RFCs: comments and folded lines, blank lines between fields or none between recipients,
a status part that is encoded, or that is declared as plain text. The fields are read from the text of the part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

STATUS_TYPE = "text/x-delivery-status"
"""The type of a status part after `declare_status_parts`."""
_STATUS_TYPES = re.compile(rb"(?im)^(content-type:\s*)message/(?:global-)?delivery-status\b")
ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'@]{1,128}@[^\s<>()\[\]:;,\"'@]{1,255}")
STATUS_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_FAULT_CODE = re.compile(STATUS_CODE.pattern.replace("[245]", "[45]"))
_REPLY_CODE = re.compile(r"(?<![\d.])([45])\d\d(?=[\s-])")
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]{0,60})[ \t]*:[ \t]*(.*)")
_FOLDED_LINE = re.compile(r"\r?\n[ \t]+(?=\S)")
_ENCODED_CHARACTER = re.compile(r"\\x\{([0-9A-Fa-f]{2,5})\}")
"""How an address of the type ``utf-8`` has a character in an ASCII field (RFC 6533, 3)."""
_COMMENT = re.compile(r"\([^()]*\)")
_MAX_FIELDS = 2000
_MAX_TEXT = 200_000
"""Number of characters of a status part that are read."""
_RECIPIENT_FIELDS = ("original-recipient", "final-recipient", "x-actual-recipient")
_NO_ADDRESS_ENDING = ".>,;"


class Delivery(StrEnum):
    """What a notification says about the delivery to one recipient."""

    DELIVERED = "delivered"
    """It was delivered, relayed or expanded."""
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RecipientStatus:
    """What a notification says about one recipient.

    Attributes:
        addresses: the recipient's addresses in lower case: the original and the final one.
        status: the enhanced status code (RFC 3463).
        text: what the receiving mail server answered; not yet safe to show.
        remote_server: the mail server that answered; empty if the system that wrote the notification decided itself.
    """

    addresses: frozenset[str]
    delivery: Delivery
    status: str
    text: str = ""
    remote_server: str = ""


def declare_status_parts(raw: bytes) -> bytes:
    """Return a mail whose status parts are declared as text.

    The standard library would parse each block of their fields as a message, and would not decode the part before.
    """
    return _STATUS_TYPES.sub(rb"\1" + STATUS_TYPE.encode(), raw)


def read_status_fields(report: Message) -> list[RecipientStatus]:
    """Return what the status parts of a report say, one record for each recipient with a known result."""
    found = []
    for part in report.walk():
        kind = part.get_content_type()
        if kind == STATUS_TYPE or (kind == "text/plain" and part is not report):
            text = get_part_text(part)[:_MAX_TEXT]
            if kind == STATUS_TYPE or re.search(r"(?im)^(?:final|original)-recipient[ \t]*:", text):
                found += [status for group in _split_recipients(text) if (status := _read_group(group))]
    return found


def get_part_text(part: Message) -> str:
    """Return the text of a part that has no parts itself."""
    data = part.get_payload(decode=True)
    return _decode_text(data if isinstance(data, bytes) else b"", part.get_content_charset())


def _decode_text(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def _split_recipients(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each recipient, by name in lower case.

    A recipient's fields begin where a field is repeated, or with its address after a blank line.
    """
    group: dict[str, str] = {}
    after_blank = False
    for line in _FOLDED_LINE.sub(" ", text).splitlines()[:_MAX_FIELDS]:
        field = _FIELD.match(line.strip())
        if field is None:
            after_blank = True
            continue
        name = field[1].lower()
        if name in group or (after_blank and name in _RECIPIENT_FIELDS and "action" in group):
            yield group
            group = {}
        group[name], after_blank = field[2].strip(), False
    yield group


def _read_group(group: dict[str, str]) -> RecipientStatus | None:
    addresses = [address for name in _RECIPIENT_FIELDS for address in _find_addresses(group.get(name, ""))]
    text, status = group.get("diagnostic-code", ""), STATUS_CODE.search(group.get("status", ""))
    if not addresses and "action" not in group:
        return None  # the fields of the whole message
    delivery = _read_delivery(group, status[1] if status else "", text)
    if delivery is None:
        return None
    return RecipientStatus(
        addresses=frozenset(addresses),
        delivery=delivery,
        status=choose_status(status[0] if status else "", text, delivery),
        text=text.partition(";")[2].strip() or text,
        remote_server=group.get("remote-mta", "").rpartition(";")[2].strip().lower(),
    )


def _find_addresses(value: str) -> list[str]:
    """Return the addresses of a field such as ``rfc822; ada@example.com``."""
    address = _ENCODED_CHARACTER.sub(lambda found: chr(int(found[1], 16)), value.rpartition(";")[2])
    return [found.lower().rstrip(_NO_ADDRESS_ENDING) for found in ADDRESS.findall(address)]


def _read_delivery(group: dict[str, str], status_class: str, text: str) -> Delivery | None:
    """Return the result: that of the action; without a known one, that of the status or of the reply code."""
    action = _COMMENT.sub("", group.get("action", "")).strip().lower()
    if action.startswith(("deliver", "relay", "expand")) or status_class == "2":
        return Delivery.DELIVERED
    if action.startswith("delay"):
        return Delivery.DELAYED
    if action.startswith(("fail", "error")):
        return Delivery.FAILED
    return {"4": Delivery.DELAYED, "5": Delivery.FAILED}.get(status_class or find_reply_class(text))


def find_reply_class(text: str) -> str:
    """Return the class, 4 or 5, of the first reply code or status code in a text; an empty text without one."""
    for pattern in (_FAULT_CODE, _REPLY_CODE):
        if found := pattern.search(text):
            return found[1]
    return ""


def choose_status(status: str, text: str, delivery: Delivery) -> str:
    """Return the most specific status code: many reports say 5.0.0 and have the reason in the server's text."""
    specific = _FAULT_CODE.search(text)
    if specific and (not status or status.endswith(".0.0")):
        return specific[0]
    general = find_reply_class(text) or ("4" if delivery is Delivery.DELAYED else "5")
    return status or f"{general}.0.0"

"""Validation of the sandbox's mailbox addresses."""

from __future__ import annotations

import re

# Reserved by RFC 2606 and RFC 6761: no demo can send mail to a real person.
_RESERVED = re.compile(r"^(?:[a-z0-9-]+\.)*(?:example\.(?:com|org|net)|[a-z0-9-]+\.example|[a-z0-9-]+\.test)$")
_ADDRESS = re.compile(r"^[a-z0-9.!#$%&'*/=?^_`{|}~+-]+@([a-z0-9.-]+)$")

SANDBOX_DOMAIN = "sandbox.example"
MESSAGE_ID_DOMAIN = "mail.sandbox.example"
MAILER_DAEMON = f"mailer-daemon@{SANDBOX_DOMAIN}"


class AddressRefused(ValueError):
    """The address is not allowed as a mailbox of the sandbox."""


def domain_of(address: str) -> str:
    """Return the lower-cased part after the last @."""
    return address.rpartition("@")[2].lower()


def mailbox_address(address: str) -> str:
    """Normalize an address; raise AddressRefused unless its domain is reserved."""
    normal = address.strip().lower()
    match = _ADDRESS.match(normal)
    if match is None:
        raise AddressRefused(f"{address!r} is not a mail address")
    if not _RESERVED.match(match[1]):
        raise AddressRefused(
            f"{normal}: the sandbox only takes mailboxes under reserved domains "
            "(example.com, example.org, example.net, *.example, *.test)"
        )
    return normal


def without_tag(address: str) -> str:
    """Return the address without its +tag."""
    local, _, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"

"""What a receiver knows of a connection: the values of macros, and the validated names of the address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError, NoAnswerError, RecordType

MAX_PTR_NAMES = 10
"""Names of an address that are validated; more are ignored (RFC 7208, 4.6.4)."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnknownValueError(Exception):
    """A macro needs a value of the connection that is not known."""


@dataclass(frozen=True, kw_only=True)
class SpfConnection:
    """A connection. ``local_part`` and ``helo`` are None if they are not known here."""

    ip: IpAddress
    domain: str
    local_part: str | None = None
    helo: str | None = None

    @property
    def is_ip4(self) -> bool:
        """Return whether the address is an IPv4 address."""
        return self.ip.version == 4

    @property
    def address_type(self) -> RecordType:
        """Return the type of the records with addresses of this IP version."""
        return RecordType.A if self.is_ip4 else RecordType.AAAA


def get_macro_value(letter: str, connection: SpfConnection, domain: str, lookup: DnsLookup) -> str:
    """Return the value of a macro letter (7.2).

    Args:
        domain: the domain whose record is evaluated.

    Raises:
        UnknownValueError: if it is not known here.
    """
    match letter:
        case "d":
            return domain
        case "o":
            return connection.domain
        case "i":
            return _format_ip(connection.ip)
        case "v":
            return "in-addr" if connection.is_ip4 else "ip6"
        case "p":
            return _find_valid_name(connection, domain, lookup)
    value = connection.helo if letter == "h" else connection.local_part
    if value is None:
        raise UnknownValueError
    return f"{value}@{connection.domain}" if letter == "s" else value


def _format_ip(ip: IpAddress) -> str:
    """Return an address as labels: the bytes of IPv4, the hexadecimal digits of IPv6."""
    return str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", ""))


def _find_valid_name(connection: SpfConnection, domain: str, lookup: DnsLookup) -> str:
    """Return a validated name of the address: the domain, else one below it, else any (7.3)."""
    try:
        names = query_name(lookup, connection.ip.reverse_pointer, RecordType.PTR)
    except NoAnswerError:
        return "unknown"
    valid = validate_names(names, connection, lookup)
    below = [name for name in valid if is_below(name, domain)]
    return min(below or valid[:1], key=len, default="unknown")


def is_below(name: str, domain: str) -> bool:
    """Return whether a name is a domain or below it."""
    return f".{name}".lower().endswith(f".{domain}".lower())


def validate_names(names: list[str], connection: SpfConnection, lookup: DnsLookup) -> list[str]:
    """Return those of the names of an address that lead back to it (5.5)."""
    return [name for name in names[:MAX_PTR_NAMES] if _is_valid_name(name, connection, lookup)]


def _is_valid_name(name: str, connection: SpfConnection, lookup: DnsLookup) -> bool:
    try:
        found = query_name(lookup, name, connection.address_type)
    except NoAnswerError:  # such a name is skipped
        return False
    return connection.ip in parse_addresses(found)


def query_name(lookup: DnsLookup, name: str, record_type: RecordType) -> list[str]:
    """Look up a name; one that is not a valid domain name has no records (4.8).

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    try:
        return lookup(name, record_type)
    except InvalidNameError:
        return []


def parse_addresses(texts: Iterable[str]) -> list[IpAddress]:
    """Return the addresses of A or AAAA records."""
    addresses: list[IpAddress] = []
    for text in texts:
        try:
            addresses.append(ipaddress.ip_address(text))
        except ValueError:
            continue  # no name server sends this
    return addresses

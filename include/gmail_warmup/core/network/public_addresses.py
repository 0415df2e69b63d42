"""Decide whether an IP address is on the public internet, in every notation that hides another address in it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
"""Prefix of NAT64, whose last 32 bits are an IPv4 address (RFC 6052)."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""Prefixes of NAT64 inside of one network (RFC 8215); only that network knows which bits are the IPv4 address."""


def is_public_address(text: str) -> bool:
    """Return whether an address is public: not private, link-local, loopback, reserved or multicast."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    reached: Sequence[IPv4Address | IPv6Address] = _find_embedded(address) or [address]
    return all(_is_public(each) for each in reached)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    is_special = address.is_multicast or address.is_private or address.is_reserved or address.is_loopback
    is_local = address.version == 6 and (address.is_site_local or address in _LOCAL_NAT64)
    return address.is_global and not is_special and not is_local


def _find_embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that packets to an IPv6 address reach."""
    if address.version == 4:
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]

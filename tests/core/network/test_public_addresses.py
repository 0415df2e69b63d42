"""Addresses that are not on the public internet, in every notation."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from gmail_warmup.core.network.public_addresses import is_public_address

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1", "64:ff9b:1::808:808", "64:ff9b:1:a00::1:0", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "", "localhost", "10.0.0", "1.2.3.4.5",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.167.255.255", "2606:4700:4700::1111"]
PRIVATE_IPV4 = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1",
    "192.168.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PUBLIC_IPV4 = ["1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "172.32.0.1", "192.169.0.1"]
_SERVER = IPv4Address("65.54.227.120")


def _embed(prefix: str, address: int, shift: int = 0) -> str:
    return str(IPv6Address(int(IPv6Address(prefix)) | address << shift))


FORMS: dict[str, Callable[[int], str]] = {
    "mapped": lambda ip: _embed("::ffff:0:0", ip),
    "mapped, in words": lambda ip: f"::ffff:{IPv4Address(ip)}",
    "NAT64": lambda ip: _embed("64:ff9b::", ip),
    "6to4": lambda ip: _embed("2002::", ip, 80),
    "6to4 with a host": lambda ip: _embed("2002::dead:beef", ip, 80),
    "the client of Teredo": lambda ip: _embed(_embed("2001::4000:f227:0:0", int(_SERVER), 64), ip ^ 0xFFFFFFFF),
    "the server of Teredo": lambda ip: _embed(_embed("2001::", ip, 64), int(_SERVER) ^ 0xFFFFFFFF),
}
"""Notations of IPv6 in which an IPv4 address is reached."""


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_recognized(address: str):
    assert not is_public_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_recognized(address: str):
    assert is_public_address(address)


@pytest.mark.parametrize("form", FORMS)
def test_an_ipv4_address_in_an_ipv6_address_is_judged_as_itself(form: str):
    embedded = {ip: FORMS[form](int(IPv4Address(ip))) for ip in (*PRIVATE_IPV4, *PUBLIC_IPV4)}
    assert [ip for ip in embedded if is_public_address(embedded[ip])] == PUBLIC_IPV4

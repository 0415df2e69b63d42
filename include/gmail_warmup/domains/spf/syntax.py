"""Parse SPF records by the grammar of RFC 7208 (section 12)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.domains.spf.macros import MacroString, MacroSyntaxError, parse_domain_spec, parse_macro_string

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_VERSION = "v=spf1"
_TERM = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>.*)", re.DOTALL)
_NUMBER = "0|[1-9][0-9]{0,2}"
_PREFIX_LENGTHS = re.compile(r"(?P<domain>.*?)(?:/(?P<ip4>[^/]*))?(?://(?P<ip6>[^/]*))?", re.DOTALL)
_NETWORK = re.compile(rf":[0-9A-Fa-f:.]+(?:/(?:{_NUMBER}))?")


class SpfSyntaxError(GmailWarmupError):
    """An SPF record is malformed; receivers answer permerror (4.6)."""


class MechanismName(StrEnum):
    """A mechanism (5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """A mechanism of a record.

    Attributes:
        text: the term as published.
        qualifier: one of ``+ - ~ ?``.
        target: the domain specification, if there is one.
        network: the network of ``ip4`` and ``ip6``.
        ip4_length: the prefix length for IPv4 addresses of ``a`` and ``mx``.
        ip6_length: the prefix length for IPv6 addresses of ``a`` and ``mx``.
    """

    text: str
    qualifier: str
    name: MechanismName
    target: MacroString | None = None
    network: Network | None = None
    ip4_length: int = 32
    ip6_length: int = 128


@dataclass(frozen=True, kw_only=True)
class SpfRecord:
    """A parsed record. ``redirect`` is None if the record has ``all``, which makes it void (6.1)."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None


def is_spf_record(text: str) -> bool:
    """Return whether a TXT record is an SPF record: its version ends the text or is followed by a space (4.5)."""
    return text.lower() == _VERSION or text.lower().startswith(f"{_VERSION} ")


@lru_cache(maxsize=256)
def parse_spf_record(text: str) -> SpfRecord:
    """Parse an SPF record. Every term is checked, also those that are never evaluated (4.6).

    Raises:
        SpfSyntaxError: if a term is malformed; the message names it.
    """
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, text[len(_VERSION) :].split(" ")):
        match = _TERM.fullmatch(term)
        if match is None:
            raise SpfSyntaxError(f"{term} is not a term")
        try:
            if not match["rest"].startswith("="):
                mechanisms.append(_parse_mechanism(term, match["qualifier"], match["name"].lower(), match["rest"]))
            elif match["qualifier"]:
                raise MacroSyntaxError("a modifier has no qualifier")
            else:
                _add_modifier(modifiers, match["name"].lower(), match["rest"][1:])
        except MacroSyntaxError as error:
            raise SpfSyntaxError(f"{term}: {error}") from None
    has_all = any(mechanism.name is MechanismName.ALL for mechanism in mechanisms)
    return SpfRecord(mechanisms=tuple(mechanisms), redirect=None if has_all else modifiers.get("redirect"))


def _add_modifier(modifiers: dict[str, MacroString], name: str, value: str) -> None:
    """Add ``redirect`` or ``exp``, which may appear once (6); unknown modifiers are only checked."""
    if name not in ("redirect", "exp"):
        parse_macro_string(value)
        return
    if name in modifiers:
        raise MacroSyntaxError(f"{name}= appears twice")
    modifiers[name] = parse_domain_spec(value)


def _parse_mechanism(term: str, qualifier: str, name: str, value: str) -> Mechanism:
    if name not in _VALUE_PARSERS:
        raise MacroSyntaxError(f"there is no mechanism {name}")
    bare = Mechanism(text=term, qualifier=qualifier or "+", name=MechanismName(name))
    return _VALUE_PARSERS[bare.name](bare, value)


def _parse_all(bare: Mechanism, value: str) -> Mechanism:
    if value:
        raise MacroSyntaxError("all has no value")
    return bare


def _parse_domain(bare: Mechanism, value: str) -> Mechanism:
    """Parse a mandatory domain."""
    if not value.startswith(":"):
        raise MacroSyntaxError("a domain must follow, after a colon")
    return replace(bare, target=parse_domain_spec(value[1:]))


def _parse_optional_domain(bare: Mechanism, value: str) -> Mechanism:
    return _parse_domain(bare, value) if value else bare


def _parse_hosts(bare: Mechanism, value: str) -> Mechanism:
    """Parse an optional domain and optional prefix lengths."""
    if _is_domain(value[1:]):  # a domain may contain a slash
        return _parse_domain(bare, value)
    match = _PREFIX_LENGTHS.fullmatch(value)
    domain, ip4, ip6 = match.groups() if match else (value, None, None)
    hosts = _parse_optional_domain(bare, domain or "")
    return replace(hosts, ip4_length=_parse_length(ip4, 32), ip6_length=_parse_length(ip6, 128))


def _is_domain(text: str) -> bool:
    try:
        parse_domain_spec(text)
    except MacroSyntaxError:
        return False
    return True


def _parse_length(text: str | None, most: int) -> int:
    if text is None:
        return most
    if not re.fullmatch(_NUMBER, text) or int(text) > most:
        raise MacroSyntaxError(f"the prefix length /{text} is not a number from 0 to {most}")
    return int(text)


def _parse_network(bare: Mechanism, value: str) -> Mechanism:
    """Parse a network of the mechanism's IP version. Python accepts net masks and zone ids as well."""
    kind: type[Network] = ipaddress.IPv4Network if bare.name is MechanismName.IP4 else ipaddress.IPv6Network
    if not _NETWORK.fullmatch(value):
        raise MacroSyntaxError(f"an {kind.__name__[:4]} address or network must follow, after a colon")
    try:
        return replace(bare, network=kind(value[1:], strict=False))
    except ValueError:
        raise MacroSyntaxError(f"{value[1:]} is not an {kind.__name__[:4]} address or network") from None


_VALUE_PARSERS: dict[str, Callable[[Mechanism, str], Mechanism]] = {
    MechanismName.ALL: _parse_all,
    MechanismName.INCLUDE: _parse_domain,
    MechanismName.A: _parse_hosts,
    MechanismName.MX: _parse_hosts,
    MechanismName.PTR: _parse_optional_domain,
    MechanismName.IP4: _parse_network,
    MechanismName.IP6: _parse_network,
    MechanismName.EXISTS: _parse_domain,
}

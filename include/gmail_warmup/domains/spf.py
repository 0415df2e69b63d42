"""SPF (RFC 7208): whether a domain lets Google's servers send, and nobody can send who should not."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gmail_warmup.domains.lookup import InvalidNameError, TxtLookup
from gmail_warmup.domains.reasons import RecordFinding, make_finding

GOOGLE_SPF_DOMAIN = "_spf.google.com"
MAX_LOOKUPS = 10  # RFC 7208, 4.6.4

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_TERM = re.compile(r"^(?P<qualifier>[+?~-])?(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>[:=/].*)?$")
_LOOKUP_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "exists"})
_MECHANISMS = _LOOKUP_MECHANISMS | {"all", "ip4", "ip6"}


class _BadSpfError(Exception):
    """The evaluation ends in an error that receivers treat as a broken record."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class _Term:
    qualifier: str
    name: str
    value: str
    text: str


@dataclass
class _Evaluation:
    """What was met on the way through a record and all that it includes."""

    lookup: TxtLookup
    lookup_count: int = 0
    includes_google: bool = False
    allows_everybody: bool = False
    has_macros: bool = False
    networks: list[_Network] = field(default_factory=list)


def check_spf(domain: str, lookup: TxtLookup) -> RecordFinding:
    """Return what the SPF record of a domain says about mail that Google sends for it.

    Raises:
        NoAnswerError: if a name server gives none.
    """
    walk = _Evaluation(lookup)
    try:
        _evaluate_record(walk, domain, _fetch_record(lookup, domain, missing="spf_missing"), trusted=True)
    except _BadSpfError as error:
        return make_finding(error.code, error.detail)
    if walk.allows_everybody:
        return make_finding("spf_everybody")
    if walk.includes_google or _covers_google(walk.networks, lookup):
        return make_finding("ok", f"{walk.lookup_count} of {MAX_LOOKUPS} lookups")
    return make_finding("spf_macros" if walk.has_macros else "spf_without_google")


def _fetch_record(lookup: TxtLookup, domain: str, *, missing: str) -> str:
    """Return the one SPF record of a domain; other TXT records beside it do not matter (4.5)."""
    try:
        texts = [text for text in lookup(domain) if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
    except InvalidNameError:
        raise _BadSpfError("spf_syntax", domain) from None
    if len(texts) > 1:
        raise _BadSpfError("spf_several", domain)
    if not texts:
        raise _BadSpfError(missing, domain)
    return texts[0]


def _evaluate_record(walk: _Evaluation, domain: str, record: str, *, trusted: bool) -> None:
    """Walk through a record.

    Args:
        trusted: what matches here passes: no qualifier on the way turned it round.
    """
    redirect = None
    for term in _parse_terms(record):
        passes = trusted and term.qualifier == "+"
        if term.name == "redirect":
            redirect = term
        elif term.name == "all":
            walk.allows_everybody |= passes
            return  # what stands behind it is never reached, a redirect neither (5.1, 6.1)
        elif term.name in _LOOKUP_MECHANISMS:
            _evaluate_lookup_term(walk, domain, term, passes=passes)
        elif term.name in ("ip4", "ip6"):
            _add_network(walk, _parse_network(term), passes=passes)
    if redirect is not None:
        _evaluate_lookup_term(walk, domain, redirect, passes=trusted)


def _add_network(walk: _Evaluation, network: _Network, *, passes: bool) -> None:
    if passes:
        walk.networks.append(network)
        walk.allows_everybody |= network.prefixlen == 0


def _evaluate_lookup_term(walk: _Evaluation, domain: str, term: _Term, *, passes: bool) -> None:
    """Count a term that costs a lookup, and follow it where it names another record."""
    walk.lookup_count += 1
    if walk.lookup_count > MAX_LOOKUPS:
        raise _BadSpfError("spf_too_many_lookups", f"at {term.text} of {domain}")
    if "%" in term.value or term.name == "exists":
        walk.has_macros |= passes
    elif term.name in ("include", "redirect"):
        target = term.value.lower().rstrip(".")
        if not target:
            raise _BadSpfError("spf_syntax", f"{term.text} of {domain}")
        walk.includes_google |= passes and target == GOOGLE_SPF_DOMAIN
        # An include of a record with +all matches everybody as well.
        _evaluate_record(
            walk, target, _fetch_record(walk.lookup, target, missing="spf_include_missing"), trusted=passes
        )


def _parse_terms(record: str) -> Iterator[_Term]:
    for text in record.split()[1:]:
        match = _TERM.match(text)
        name = match["name"].lower() if match else ""
        rest = (match["rest"] or "") if match else ""
        modifier = rest.startswith("=")
        if not match or (modifier and match["qualifier"]) or not (modifier or name in _MECHANISMS):
            raise _BadSpfError("spf_syntax", text)
        if modifier and name != "redirect":
            continue  # exp, and modifiers that are not known, change nothing (6)
        yield _Term(match["qualifier"] or "+", name, rest[1:], text)


def _parse_network(term: _Term) -> _Network:
    try:
        return ipaddress.ip_network(term.value, strict=False)
    except ValueError:
        raise _BadSpfError("spf_syntax", term.text) from None


def _covers_google(networks: list[_Network], lookup: TxtLookup) -> bool:
    """Tell whether networks that a record spells out hold one of Google's, as flattened records do."""
    if not networks:
        return False
    google = _Evaluation(lookup)
    try:
        _evaluate_record(
            google, GOOGLE_SPF_DOMAIN, _fetch_record(lookup, GOOGLE_SPF_DOMAIN, missing="spf_missing"), trusted=True
        )
    except _BadSpfError:
        return False
    return any(ours.overlaps(theirs) for theirs in google.networks for ours in networks)

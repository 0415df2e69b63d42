"""Check SPF records (RFC 7208): Google's servers may send for the domain, and not every server may."""

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
    """The record is invalid for receivers (permerror)."""

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
    """The state of evaluating a record and everything that it includes."""

    lookup: TxtLookup
    lookup_count: int = 0
    includes_google: bool = False
    allows_everybody: bool = False
    has_macros: bool = False
    networks: list[_Network] = field(default_factory=list)


def check_spf(domain: str, lookup: TxtLookup) -> RecordFinding:
    """Check the SPF record of a domain for mail that Google sends.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    evaluation = _Evaluation(lookup)
    try:
        _evaluate_record(evaluation, domain, _fetch_record(lookup, domain, missing="spf_missing"), trusted=True)
    except _BadSpfError as error:
        return make_finding(error.code, error.detail)
    if evaluation.allows_everybody:
        return make_finding("spf_everybody")
    if evaluation.includes_google or _covers_google(evaluation.networks, lookup):
        return make_finding("ok", f"{evaluation.lookup_count} of {MAX_LOOKUPS} lookups")
    return make_finding("spf_macros" if evaluation.has_macros else "spf_without_google")


def _fetch_record(lookup: TxtLookup, domain: str, *, missing: str) -> str:
    """Return the only SPF record of a domain; other TXT records are ignored (4.5)."""
    try:
        texts = [text for text in lookup(domain) if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
    except InvalidNameError:
        raise _BadSpfError("spf_syntax", domain) from None
    if len(texts) > 1:
        raise _BadSpfError("spf_several", domain)
    if not texts:
        raise _BadSpfError(missing, domain)
    return texts[0]


def _evaluate_record(evaluation: _Evaluation, domain: str, record: str, *, trusted: bool) -> None:
    """Evaluate a record.

    Args:
        trusted: whether a match in this record passes: no qualifier of an including term negates it.
    """
    redirect = None
    for term in _parse_terms(record):
        passes = trusted and term.qualifier == "+"
        if term.name == "redirect":
            redirect = term
        elif term.name == "all":
            evaluation.allows_everybody |= passes
            return  # later terms and redirect are ignored (5.1, 6.1)
        elif term.name in _LOOKUP_MECHANISMS:
            _evaluate_lookup_term(evaluation, domain, term, passes=passes)
        elif term.name in ("ip4", "ip6"):
            _add_network(evaluation, _parse_network(term), passes=passes)
    if redirect is not None:
        _evaluate_lookup_term(evaluation, domain, redirect, passes=trusted)


def _add_network(evaluation: _Evaluation, network: _Network, *, passes: bool) -> None:
    if passes:
        evaluation.networks.append(network)
        evaluation.allows_everybody |= network.prefixlen == 0


def _evaluate_lookup_term(evaluation: _Evaluation, domain: str, term: _Term, *, passes: bool) -> None:
    """Count a term that needs a lookup, and evaluate the record that it refers to."""
    evaluation.lookup_count += 1
    if evaluation.lookup_count > MAX_LOOKUPS:
        raise _BadSpfError("spf_too_many_lookups", f"at {term.text} of {domain}")
    if "%" in term.value or term.name == "exists":
        evaluation.has_macros |= passes
    elif term.name in ("include", "redirect"):
        target = term.value.lower().rstrip(".")
        if not target:
            raise _BadSpfError("spf_syntax", f"{term.text} of {domain}")
        evaluation.includes_google |= passes and target == GOOGLE_SPF_DOMAIN
        # An included record with +all matches every server as well.
        _evaluate_record(
            evaluation, target, _fetch_record(evaluation.lookup, target, missing="spf_include_missing"), trusted=passes
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
            continue  # exp and unknown modifiers have no effect (6)
        yield _Term(match["qualifier"] or "+", name, rest[1:], text)


def _parse_network(term: _Term) -> _Network:
    try:
        return ipaddress.ip_network(term.value, strict=False)
    except ValueError:
        raise _BadSpfError("spf_syntax", term.text) from None


def _covers_google(networks: list[_Network], lookup: TxtLookup) -> bool:
    """Return whether the networks of a flattened record include one of Google's."""
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

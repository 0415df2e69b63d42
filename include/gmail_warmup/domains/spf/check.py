"""Check the SPF record of a domain (RFC 7208): what receivers answer for mail that Google's servers send."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from gmail_warmup.domains.lookup import DnsLookup, NoAnswerError
from gmail_warmup.domains.reasons import RecordFinding, make_finding
from gmail_warmup.domains.spf.connection import IpAddress, SpfConnection
from gmail_warmup.domains.spf.evaluation import MAX_LOOKUPS, SpfOutcome, SpfResult, evaluate_spf
from gmail_warmup.domains.spf.google import evaluate_for_google, load_google_networks
from gmail_warmup.domains.spf.records import SpfError, fetch_spf_record

# Reserved addresses: nobody sends from them, so they match only what every address matches.
_STRANGER = ipaddress.ip_address("240.0.0.1")
_IP6_STRANGER = ipaddress.ip_address("100::1")


def check_spf(domain: str, lookup: DnsLookup) -> RecordFinding:
    """Check the SPF record of a domain.

    Receivers evaluate a record from left to right up to the first match. An error that they reach before Google's
    servers match is bad; one behind is a warning. A syntax error makes the whole record void.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    try:
        record = fetch_spf_record(domain, lookup)
    except SpfError as error:
        return make_finding(error.code, str(error))
    if record is None:
        return make_finding("spf_missing", domain)
    outcomes = evaluate_for_google(domain, load_google_networks(lookup), lookup)
    return _find_fault(outcomes) or _check_other_servers(domain, lookup)


def _find_fault(outcomes: Mapping[IpAddress, SpfOutcome]) -> RecordFinding | None:
    """Return a finding if receivers do not answer "pass" for every server of Google."""
    failed = {address: outcome for address, outcome in outcomes.items() if outcome.result is not SpfResult.PASS}
    for outcome in failed.values():
        if outcome.result is SpfResult.TEMPERROR:
            raise NoAnswerError(outcome.detail)
    if any(outcome.may_not_pass for outcome in outcomes.values()):
        return make_finding("spf_macros")
    if any(outcome.may_pass or outcome.depends_on_address for outcome in failed.values()):
        return make_finding("spf_macros")
    passed = len(outcomes) - len(failed)
    for outcome in failed.values():
        # Hosts without IPv6 are void lookups for a part of Google's servers only; receivers need not count them.
        if outcome.code and not (outcome.code == "spf_void_lookups" and passed):
            return make_finding(outcome.code, outcome.detail)
    if failed:
        first, outcome = next(iter(failed.items()))
        return make_finding("spf_part_of_google" if passed else "spf_without_google", f"{outcome.result} for {first}")
    return None


def _check_other_servers(domain: str, lookup: DnsLookup) -> RecordFinding:
    """Return a finding on what receivers answer for a server that the record does not name."""
    stranger, ip6_stranger = (
        evaluate_spf(SpfConnection(ip=ip, domain=domain), lookup) for ip in (_STRANGER, _IP6_STRANGER)
    )
    if SpfResult.PASS in (stranger.result, ip6_stranger.result):
        return make_finding("spf_everybody")
    if stranger.code and not stranger.depends_on_address:
        return make_finding("spf_behind_google", stranger.detail)
    return make_finding("ok", f"{stranger.lookup_count} of {MAX_LOOKUPS} lookups")

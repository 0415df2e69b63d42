"""Google's sending servers, from the SPF record that Google publishes for them."""

from __future__ import annotations

from collections.abc import Iterable

from gmail_warmup.domains.lookup import DnsLookup, NoAnswerError
from gmail_warmup.domains.spf.connection import IpAddress, SpfConnection
from gmail_warmup.domains.spf.evaluation import MAX_LOOKUPS, SpfOutcome, evaluate_spf
from gmail_warmup.domains.spf.records import SpfError, fetch_spf_record
from gmail_warmup.domains.spf.syntax import MechanismName, Network, SpfRecord

GOOGLE_SPF_DOMAIN = "_spf.google.com"
_MAX_EVALUATIONS = 200


def load_google_networks(lookup: DnsLookup) -> list[Network]:
    """Return the networks that Google sends from.

    Raises:
        NoAnswerError: if Google's record cannot be read.
    """
    networks: list[Network] = []
    domains = [GOOGLE_SPF_DOMAIN]
    for domain in domains:
        try:
            record = fetch_spf_record(domain, lookup)
        except SpfError as error:
            raise NoAnswerError(f"Google's record is not valid: {error}") from None
        if record is not None:
            networks += [mechanism.network for mechanism in record.mechanisms if mechanism.network is not None]
            domains += [name for name in _list_other_domains(record) if name not in domains]
        if len(domains) > MAX_LOOKUPS:
            break
    if not networks:
        raise NoAnswerError(f"{GOOGLE_SPF_DOMAIN}: Google's networks are not known.")
    return networks


def _list_other_domains(record: SpfRecord) -> list[str]:
    """Return the domains that a record includes or redirects to; Google's record has no macros in them."""
    targets = [item.target for item in record.mechanisms if item.name is MechanismName.INCLUDE] + [record.redirect]
    return ["".join(map(str, target)).removesuffix(".") for target in targets if target is not None]


def evaluate_for_google(domain: str, networks: list[Network], lookup: DnsLookup) -> dict[IpAddress, SpfOutcome]:
    """Evaluate the SPF record of a domain for every part of Google's networks; return the outcome by first address.

    The networks are cut where a network of the record begins or ends, so that all addresses of a part have one result.
    """
    outcomes: dict[IpAddress, SpfOutcome] = {}
    compared: set[Network] = set()
    pending: list[IpAddress] = [network.network_address for network in networks]
    for address in pending:
        if address in outcomes:
            continue
        outcome = evaluate_spf(SpfConnection(ip=address, domain=domain), lookup)
        outcomes[address] = outcome
        pending += _list_borders(outcome.networks - compared, networks)
        compared |= outcome.networks
        if len(outcomes) >= _MAX_EVALUATIONS:
            break
    return outcomes


def _list_borders(networks: Iterable[Network], google: list[Network]) -> list[IpAddress]:
    """Return the first address of each network inside one of Google's, and the first address behind it."""
    borders = []
    for network in networks:
        for whole in google:
            if network.version == whole.version and network.network_address in whole and network != whole:
                borders.append(network.network_address)
                if int(network.broadcast_address) < int(whole.broadcast_address):
                    borders.append(network.broadcast_address + 1)
    return borders

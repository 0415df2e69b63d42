"""Evaluate SPF for a connection: the function check_host() of RFC 7208."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError, NoAnswerError, RecordType
from gmail_warmup.domains.spf.connection import (
    SpfConnection,
    UnknownValueError,
    get_macro_value,
    is_below,
    parse_addresses,
    query_name,
    validate_names,
)
from gmail_warmup.domains.spf.macros import MacroString, expand_domain
from gmail_warmup.domains.spf.records import SpfError, fetch_spf_record
from gmail_warmup.domains.spf.syntax import Mechanism, MechanismName, Network

MAX_LOOKUPS = 10
"""Terms of all records together that need DNS queries (4.6.4)."""
MAX_VOID_LOOKUPS = 2
"""Terms whose name does not exist, or has no record of the type (4.6.4)."""
MAX_MX_NAMES = 10
"""MX names of one term (4.6.4)."""


class SpfResult(StrEnum):
    """The result of check_host() (2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105  a result, not a secret
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_RESULTS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


@dataclass(frozen=True, kw_only=True)
class SpfOutcome:
    """The result for a connection, and how it came about.

    Attributes:
        code: the code of the reason of a permerror, empty for any other result.
        detail: the term that caused a permerror, or the name that caused a temperror.
        lookup_count: how many terms needed DNS queries.
        networks: the networks that the address was compared with.
        depends_on_address: whether other addresses of the same networks may have another result.
        may_pass: whether a term that could not be evaluated may have made it pass.
        may_not_pass: whether such a term may have made it not pass.
    """

    result: SpfResult
    code: str = ""
    detail: str = ""
    lookup_count: int = 0
    networks: frozenset[Network] = frozenset()
    depends_on_address: bool = False
    may_pass: bool = False
    may_not_pass: bool = False


def check_host(ip: str, sender: str, helo: str, lookup: DnsLookup) -> SpfOutcome:
    """Evaluate SPF for a connection as a receiver does.

    Args:
        ip: the address of the sending server.
        sender: the address of MAIL FROM; if it is empty, the address postmaster at the HELO name is used (2.4).
        helo: the name of HELO or EHLO.
    """
    local_part, _, domain = sender.rpartition("@") if sender else ("", "", helo)
    address = ipaddress.ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    connection = SpfConnection(ip=mapped or address, domain=domain, local_part=local_part or "postmaster", helo=helo)
    return evaluate_spf(connection, lookup)


def evaluate_spf(connection: SpfConnection, lookup: DnsLookup) -> SpfOutcome:
    """Evaluate SPF for a connection of which some facts may be unknown. Errors become results."""
    evaluation = _Evaluation(connection, lookup)
    code = detail = ""
    try:
        result = evaluation.check_domain(connection.domain, can_only_pass=True)
    except SpfError as error:
        result, code, detail = SpfResult.PERMERROR, error.code, str(error)
    except NoAnswerError as error:
        result, detail = SpfResult.TEMPERROR, str(error)
    return SpfOutcome(
        result=result,
        code=code,
        detail=detail,
        lookup_count=evaluation.lookup_count,
        networks=frozenset(evaluation.networks),
        depends_on_address=evaluation.depends_on_address,
        may_pass=evaluation.may_pass,
        may_not_pass=evaluation.may_not_pass,
    )


class _Evaluation:
    """The state of one call of check_host(), with all records that the first one refers to."""

    def __init__(self, connection: SpfConnection, lookup: DnsLookup) -> None:
        self._connection = connection
        self._lookup = lookup
        self._void_count = 0
        self.lookup_count = 0
        self.networks: set[Network] = set()
        self.depends_on_address = self.may_pass = self.may_not_pass = False

    def check_domain(self, domain: str, *, can_only_pass: bool) -> SpfResult:
        """Evaluate the record of a domain.

        Args:
            can_only_pass: whether a "pass" of this record makes the whole pass: no qualifier above negates it.
        """
        record = fetch_spf_record(domain, self._lookup)
        if record is None:
            return SpfResult.NONE
        for mechanism in record.mechanisms:
            if self._matches(mechanism, domain, can_only_pass=can_only_pass and mechanism.qualifier == "+"):
                return _RESULTS[mechanism.qualifier]
        if record.redirect is None:
            return SpfResult.NEUTRAL
        return self._follow_redirect(record.redirect, domain, can_only_pass=can_only_pass)

    def _follow_redirect(self, target: MacroString, domain: str, *, can_only_pass: bool) -> SpfResult:
        self._count_lookup("redirect", domain)
        try:
            name = self._expand(target, domain)
        except UnknownValueError:
            self._note_unknown(can_only_pass=can_only_pass)
            return SpfResult.NEUTRAL
        return self._check_other_domain(f"redirect={name}", name, domain, can_only_pass=can_only_pass)

    def _matches(self, mechanism: Mechanism, domain: str, *, can_only_pass: bool) -> bool:
        """Return whether a mechanism matches; one that cannot be evaluated here does not, and is noted."""
        if mechanism.name is MechanismName.ALL:
            return True
        if mechanism.network is not None:
            return self._is_in([mechanism.network])
        self._count_lookup(mechanism.text, domain)
        try:
            target = domain if mechanism.target is None else self._expand(mechanism.target, domain)
        except UnknownValueError:
            self._note_unknown(can_only_pass=can_only_pass)
            return False
        if mechanism.name is MechanismName.INCLUDE:
            result = self._check_other_domain(f"include:{target}", target, domain, can_only_pass=can_only_pass)
            return result is SpfResult.PASS
        return self._matches_records(mechanism, target, domain)

    def _matches_records(self, mechanism: Mechanism, target: str, domain: str) -> bool:
        """Return whether a mechanism matches that compares the address with records of a name."""
        match mechanism.name:
            case MechanismName.EXISTS:
                return bool(self._query(target, RecordType.A))  # also for IPv6 (5.7)
            case MechanismName.PTR:
                # The names of one host say nothing of the others; but no host of Google has a name in the own domain.
                self.depends_on_address |= mechanism.target is not None
                return self._matches_ptr(target)
            case MechanismName.A:
                return self._is_in_hosts(self._query(target, self._connection.address_type), mechanism)
        names = self._query(target, RecordType.MX)
        if len(names) > MAX_MX_NAMES:
            detail = f"{mechanism.text} in the record of {domain}: {target} has {len(names)} MX names"
            raise SpfError("spf_too_many_lookups", detail)
        hosts = (query_name(self._lookup, name, self._connection.address_type) for name in names)
        return any(self._is_in_hosts(addresses, mechanism) for addresses in hosts)

    def _note_unknown(self, *, can_only_pass: bool) -> None:
        self.may_pass = True
        self.may_not_pass |= not can_only_pass

    def _check_other_domain(self, term: str, name: str, domain: str, *, can_only_pass: bool) -> SpfResult:
        result = self.check_domain(name, can_only_pass=can_only_pass)
        if result is SpfResult.NONE:
            raise SpfError("spf_include_missing", f"{term} in the record of {domain}: there is no SPF record")
        return result

    def _count_lookup(self, term: str, domain: str) -> None:
        self.lookup_count += 1
        if self.lookup_count > MAX_LOOKUPS:
            raise SpfError("spf_too_many_lookups", f"{term} in the record of {domain} is lookup {self.lookup_count}")

    def _query(self, name: str, record_type: RecordType) -> list[str]:
        """Look up the name of a term, and count it if there is no such record."""
        try:
            found = self._lookup(name, record_type)
        except InvalidNameError:
            return []
        if not found:
            self._void_count += 1
            if self._void_count > MAX_VOID_LOOKUPS:
                raise SpfError(
                    "spf_void_lookups", f"{name} has no record of the type {record_type}: it is the third such name"
                )
        return found

    def _is_in(self, networks: Iterable[Network]) -> bool:
        compared = set(networks)
        self.networks |= compared
        return any(self._connection.ip in network for network in compared)

    def _is_in_hosts(self, addresses: list[str], mechanism: Mechanism) -> bool:
        """Return whether the address is in the networks around addresses of hosts (5.3)."""
        length = mechanism.ip4_length if self._connection.is_ip4 else mechanism.ip6_length
        found = parse_addresses(addresses)
        return self._is_in(ipaddress.ip_network(f"{address}/{length}", strict=False) for address in found)

    def _matches_ptr(self, target: str) -> bool:
        """Return whether a validated name of the address is the target or below it (5.5)."""
        try:
            names = self._query(self._connection.ip.reverse_pointer, RecordType.PTR)
        except NoAnswerError:
            return False
        return any(is_below(name, target) for name in validate_names(names, self._connection, self._lookup))

    def _expand(self, parts: MacroString, domain: str) -> str:
        return expand_domain(parts, lambda letter: self._get_value(letter, domain))

    def _get_value(self, letter: str, domain: str) -> str:
        self.depends_on_address |= letter in "ip"
        return get_macro_value(letter, self._connection, domain, self._lookup)

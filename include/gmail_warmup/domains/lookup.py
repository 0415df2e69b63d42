"""Look up DNS records, and distinguish a missing record from a name server that does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from gmail_warmup.core.errors import GmailWarmupError


class NoAnswerError(GmailWarmupError):
    """The name servers did not answer, so the record is unknown."""


class InvalidNameError(GmailWarmupError):
    """The name is not a valid domain name."""


class RecordType(StrEnum):
    """A type of DNS record."""

    TXT = "TXT"
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"


class DnsLookup(Protocol):
    """A function that looks up the records of a name."""

    def __call__(self, name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        """Return the records of a name; empty if the name does not exist or has none of this type.

        A TXT record is returned as its text, A and AAAA as addresses, MX and PTR as names.

        Raises:
            NoAnswerError: if the name servers fail or do not answer in time.
            InvalidNameError: if the name is not a valid domain name.
        """


class DnsResolver:
    """Look up records at name servers, by TCP if the answer over UDP is truncated.

    Args:
        nameservers: IP address and port of each; empty for the resolvers of the machine.
        timeout: seconds for one name, including retries.
    """

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), *, timeout: float = 5.0) -> None:
        self._resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in nameservers]
        self._timeout = timeout

    def __call__(self, name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        """Return the records of a name."""
        try:
            answer = self._resolver.resolve(
                _parse_name(name), record_type.value, lifetime=self._timeout, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except dns.resolver.YXDOMAIN:
            raise InvalidNameError(f"{name} is not a valid domain name.") from None
        except (dns.exception.DNSException, OSError):
            # Timeout, SERVFAIL or REFUSED from every server, or a malformed answer.
            raise NoAnswerError(f"{name}: no answer.") from None
        return [_read_record(record, record_type) for record in answer.rrset or ()]


def _parse_name(name: str) -> dns.name.Name:
    try:
        return dns.name.from_text(f"{name.removesuffix('.')}.")
    except (dns.exception.DNSException, UnicodeError):
        raise InvalidNameError(f"{name} is not a valid domain name.") from None


def _read_record(record: Any, record_type: RecordType) -> str:
    if record_type is RecordType.TXT:  # the strings of one record are joined without a space (RFC 7208, 3.3)
        return b"".join(record.strings).decode("ascii", "replace")
    if record_type is RecordType.MX:
        return str(record.exchange.to_text(omit_final_dot=True))
    if record_type is RecordType.PTR:
        return str(record.target.to_text(omit_final_dot=True))
    return str(record.address)


_MAX_FAILURES = 4


class CachedLookup:
    """Look up each name of one record's check once; an error is kept as well.

    After four names without an answer, no further name is looked up, so that one domain cannot delay the others.
    """

    def __init__(self, lookup: DnsLookup) -> None:
        self._lookup = lookup
        self._answers: dict[tuple[str, RecordType], list[str] | NoAnswerError | InvalidNameError] = {}
        self._failure_count = 0

    def __call__(self, name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        """Return the records of a name."""
        key = (name.lower().removesuffix("."), record_type)
        if key not in self._answers:
            self._answers[key] = self._ask(name, record_type)
        answer = self._answers[key]
        if isinstance(answer, GmailWarmupError):
            raise answer
        return answer

    def _ask(self, name: str, record_type: RecordType) -> list[str] | NoAnswerError | InvalidNameError:
        if self._failure_count >= _MAX_FAILURES:
            return NoAnswerError(f"{name} was not looked up: {_MAX_FAILURES} other names got no answer.")
        try:
            return self._lookup(name, record_type)
        except InvalidNameError as error:
            return error
        except NoAnswerError as error:
            self._failure_count += 1
            return error

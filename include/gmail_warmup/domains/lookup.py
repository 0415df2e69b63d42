"""Look up TXT records, and distinguish a missing record from a name server that does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from gmail_warmup.core.errors import GmailWarmupError


class NoAnswerError(GmailWarmupError):
    """The name servers did not answer, so the record is unknown."""


class InvalidNameError(GmailWarmupError):
    """The name is not a valid domain name."""


class TxtLookup(Protocol):
    """A function that looks up TXT records."""

    def __call__(self, name: str) -> list[str]:
        """Return the TXT records of a name; empty if the name does not exist or has none.

        Raises:
            NoAnswerError: if the name servers fail or do not answer in time.
            InvalidNameError: if the name is not a valid domain name.
        """


class TxtResolver:
    """Look up TXT records at name servers, by TCP if the answer over UDP is truncated.

    Args:
        nameservers: IP address and port of each; empty for the resolvers of the machine.
        timeout: seconds for one name, including retries.
    """

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), *, timeout: float = 5.0) -> None:
        self._resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in nameservers]
        self._timeout = timeout

    def __call__(self, name: str) -> list[str]:
        """Return the TXT records of a name; the strings of one record are joined without a space (RFC 7208, 3.3)."""
        try:
            answer = self._resolver.resolve(
                f"{name.rstrip('.')}.", "TXT", lifetime=self._timeout, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, dns.resolver.YXDOMAIN):
            raise InvalidNameError(f"{name} is not a valid domain name.") from None
        except (dns.exception.DNSException, OSError):
            # Timeout, SERVFAIL or REFUSED from every server, or a malformed answer.
            raise NoAnswerError(f"{name}: no answer.") from None
        return [b"".join(record.strings).decode("ascii", "replace") for record in answer.rrset or ()]

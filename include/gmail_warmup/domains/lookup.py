"""TXT records as receivers of mail see them, with what cannot be told kept apart from what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from gmail_warmup.core.errors import GmailWarmupError


class NoAnswerError(GmailWarmupError):
    """The name servers gave no answer, so nothing can be told."""


class InvalidNameError(GmailWarmupError):
    """It is not a name that can be asked for."""


class TxtLookup(Protocol):
    """Looks TXT records up."""

    def __call__(self, name: str) -> list[str]:
        """Return the records of a name; none when there is no such name, or no TXT record.

        Raises:
            NoAnswerError: time is up, or the servers fail.
            BadNameError: if it is no name.
        """


class TxtResolver:
    """Asks name servers; a truncated answer is asked for again by TCP.

    Args:
        nameservers: IP address and port of each; the machine's own resolvers if there are none.
        timeout: seconds for one name, all tries together.
    """

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), *, timeout: float = 5.0) -> None:
        self._resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in nameservers]
        self._timeout = timeout

    def __call__(self, name: str) -> list[str]:
        """Return the TXT records of a name, the strings of each joined without a space (RFC 7208, 3.3)."""
        try:
            answer = self._resolver.resolve(
                f"{name.rstrip('.')}.", "TXT", lifetime=self._timeout, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, dns.resolver.YXDOMAIN):
            raise InvalidNameError(f"{name} is not a name that can be asked for.") from None
        except (dns.exception.DNSException, OSError):
            # Time is up, no server answers but with SERVFAIL or REFUSED, or the answer cannot be read.
            raise NoAnswerError(f"{name}: no answer.") from None
        return [b"".join(record.strings).decode("ascii", "replace") for record in answer.rrset or ()]

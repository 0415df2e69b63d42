"""Build the header Authentication-Results that Gmail adds to a received mail."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Literal

from gmail_sandbox.addresses import domain_of

AuthenticationFault = Literal["spf", "dkim", "dmarc", "no_dmarc", "unsigned_domain", "missing", "forged", "folding"]
"""What differs from a mail that passes: SPF, DKIM or DMARC fails; the domain has no DMARC record, or no DKIM key, so
that Google signs with a key of its own; there is no header; the sender wrote one as well; the folding is odd."""

HEADER, SERVER = "Authentication-Results", "mx.google.com"
_SENDING_HOST = "192.0.2.41"
_FOLD = "\r\n       "


def build_results(sender: str, faults: Collection[AuthenticationFault]) -> list[tuple[str, str]]:
    """Return the headers of a mail as they stand above those of the sender, the topmost first."""
    domain = domain_of(sender)
    headers = (
        [] if "missing" in faults else [(HEADER, _join([SERVER, *_list_statements(sender, domain, faults)], faults))]
    )
    if "forged" in faults:
        headers.append((HEADER, _join([SERVER, *_list_statements(sender, domain, _forge(faults))], ())))
    return headers


def _forge(faults: Collection[AuthenticationFault]) -> Collection[AuthenticationFault]:
    """Return the faults that make a forged header say the opposite of Gmail's own."""
    return () if {"spf", "dkim", "dmarc"} & set(faults) else ("spf", "dkim", "dmarc")


def _list_statements(sender: str, domain: str, faults: Collection[AuthenticationFault]) -> list[str]:
    dmarc_fails = "dmarc" in faults or ("spf" in faults and {"dkim", "unsigned_domain"} & set(faults))
    statements = [_state_dkim(domain, faults), _state_spf(sender, is_failing="spf" in faults)]
    if "no_dmarc" not in faults:
        result, disposition = ("fail", "QUARANTINE") if dmarc_fails else ("pass", "NONE")
        statements.append(f"dmarc={result} (p=QUARANTINE sp=NONE dis={disposition}) header.from={domain}")
    return statements


def _state_dkim(domain: str, faults: Collection[AuthenticationFault]) -> str:
    signature = base64.b64encode(hashlib.sha256(domain.encode()).digest())[:8].decode()
    if "unsigned_domain" in faults:
        signer = f"{domain.replace('.', '-')}.20230601.gappssmtp.com"
        return f"dkim=pass header.i=@{signer} header.s=20230601 header.b={signature}"
    result = "fail (body hash did not verify)" if "dkim" in faults else "pass"
    return f"dkim={result} header.i=@{domain} header.s=google header.b={signature}"


def _state_spf(sender: str, *, is_failing: bool) -> str:
    verb = "does not designate" if is_failing else "designates"
    comment = f"(google.com: domain of {sender} {verb} {_SENDING_HOST} as permitted sender)"
    return f"spf={'fail' if is_failing else 'pass'} {comment} smtp.mailfrom={sender}"


def _join(statements: list[str], faults: Collection[AuthenticationFault]) -> str:
    if "folding" not in faults:
        return f";{_FOLD}".join(statements)
    server, *others = statements
    odd = [
        statement.replace("=", "\r\n\t= ", 1).replace(" header.i=", " (a; comment)\r\n header . i =")
        for statement in others
    ]
    return f"{server.upper()} 1 (checked (by) Google);\r\n\t" + " ;\r\n ".join(odd) + ";"

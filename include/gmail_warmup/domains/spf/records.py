"""Fetch the SPF record of a domain (RFC 7208, 4.3 to 4.6)."""

from __future__ import annotations

import re

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError
from gmail_warmup.domains.spf.syntax import SpfRecord, SpfSyntaxError, is_spf_record, parse_spf_record


class SpfError(GmailWarmupError):
    """The result is permerror; ``code`` is the code of the reason, and the message its detail."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def fetch_spf_record(domain: str, lookup: DnsLookup) -> SpfRecord | None:
    """Return the SPF record of a domain, or None if it has none.

    Raises:
        SpfError: if there are several records, or if the record is malformed.
        NoAnswerError: if the name servers do not answer.
    """
    if not _is_qualified_name(domain):
        return None
    try:
        texts = [text for text in lookup(domain) if is_spf_record(text)]
    except InvalidNameError:
        return None
    if len(texts) > 1:
        raise SpfError("spf_several", f"{domain} has {len(texts)} SPF records")
    try:
        return parse_spf_record(texts[0]) if texts else None
    except SpfSyntaxError as error:
        raise SpfError("spf_syntax", f"{domain}: {error}") from None


def _is_qualified_name(domain: str) -> bool:
    """Return whether a name has several labels of 1 to 63 characters, and is not an address in brackets (4.3)."""
    labels = domain.removesuffix(".").split(".")
    return len(labels) > 1 and all(0 < len(label) <= 63 for label in labels) and not re.search(r"[\[\]\s]", domain)

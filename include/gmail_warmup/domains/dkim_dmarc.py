"""Check DMARC records (RFC 7489) and DKIM keys (RFC 6376). Both are tag lists in a TXT record."""

from __future__ import annotations

import base64
import re

from gmail_warmup.domains.lookup import InvalidNameError, TxtLookup
from gmail_warmup.domains.reasons import RecordFinding, make_finding

_DMARC_POLICIES = frozenset({"none", "quarantine", "reject"})
_DMARC_VERSION = re.compile(r"^v\s*=\s*DMARC1\s*(?:;|$)")


def check_dmarc(domain: str, lookup: TxtLookup) -> RecordFinding:
    """Check the DMARC record that applies to a domain.

    The record is looked up at the domain and then at its parent domains, so that no list of public suffixes is needed
    to find the organizational domain. A record of a public suffix (psd=y) does not apply to its subdomains.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        name = f"_dmarc.{'.'.join(labels[start:])}"
        records = [text for text in _lookup_texts(lookup, name) if _DMARC_VERSION.match(text)]
        if len(records) > 1:
            return make_finding("dmarc_several", name)
        if records:
            tags = _parse_tags(records[0])
            if start and tags.get("psd") == "y":
                continue
            return _check_policy(tags, name, tag="sp" if start and "sp" in tags else "p")
    return make_finding("dmarc_missing", f"_dmarc.{domain}")


def _check_policy(tags: dict[str, str], name: str, *, tag: str) -> RecordFinding:
    policies = [tags[part].lower() for part in ("p", tag) if part in tags]
    if policies and _DMARC_POLICIES.issuperset(policies):
        return make_finding("ok", f"{tag}={policies[-1]} at {name}")
    if tags.get("rua", "").lower().startswith("mailto:"):
        return make_finding("ok", f"no valid policy at {name}, read as p=none because of rua (6.6.3)")
    return make_finding("dmarc_policy", name)


def check_dkim(domain: str, lookup: TxtLookup, *, selector: str) -> RecordFinding:
    """Check that a domain publishes the DKIM key that Gmail signs with.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    name = f"{selector}._domainkey.{domain}"
    # A wildcard record adds unrelated texts to every name.
    records = [
        tags
        for tags in map(_parse_tags, _lookup_texts(lookup, name))
        if "p" in tags and tags.get("v", "DKIM1") == "DKIM1"
    ]
    if len(records) != 1:
        return make_finding("dkim_several" if records else "dkim_missing", name)
    return _check_key(records[0], name)


def _check_key(tags: dict[str, str], name: str) -> RecordFinding:
    key = re.sub(r"\s+", "", tags["p"])
    if not key:
        return make_finding("dkim_revoked", name)
    try:
        size = len(base64.b64decode(key, validate=True))
    except ValueError:
        size = 0
    kind = tags.get("k", "rsa").lower()
    # An RSA key of 1,024 bits, the shortest that Google generates, has 162 bytes; an Ed25519 key has 32 (RFC 8463).
    if kind not in ("rsa", "ed25519") or size < (162 if kind == "rsa" else 32):
        return make_finding("dkim_malformed", name)
    return make_finding("ok", f"{name}, {kind}")


def _lookup_texts(lookup: TxtLookup, name: str) -> list[str]:
    try:
        return lookup(name)
    except InvalidNameError:
        return []


def _parse_tags(text: str) -> dict[str, str]:
    """Parse a tag list (RFC 6376, 3.2). Names are in lower case; of a repeated tag the first value is used."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags

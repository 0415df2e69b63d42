"""Check DKIM keys (RFC 6376, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError
from gmail_warmup.domains.reasons import RecordFinding, make_finding
from gmail_warmup.domains.tag_list import TagList, parse_tag_list

MIN_RSA_BITS = 1024
"""Receivers reject signatures of shorter keys (RFC 8301, 3.2)."""
GOOD_RSA_BITS = 2048
MAX_RSA_BITS = 4096
"""Receivers need not support longer keys (RFC 8301, 3.2)."""
_ED25519_BYTES = 32


def check_dkim(domain: str, lookup: DnsLookup, *, selector: str) -> RecordFinding:
    """Check that a domain publishes the DKIM key that Gmail signs with.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    name = f"{selector}._domainkey.{domain}"
    try:
        records = [tags for tags in map(parse_tag_list, lookup(name)) if _is_key_record(tags)]
    except InvalidNameError:
        records = []
    if len(records) != 1:
        return make_finding("dkim_several" if records else "dkim_missing", name)
    return _check_tags(records[0], name)


def _is_key_record(tags: TagList) -> bool:
    """Return whether a text is a key record. A wildcard record adds unrelated texts to every name."""
    return "p" in tags.values and tags.values.get("v", "DKIM1") == "DKIM1"


def _check_tags(tags: TagList, name: str) -> RecordFinding:
    fault = _find_syntax_fault(tags)
    if fault:
        return make_finding("dkim_malformed", f"{name}: {fault}")
    values = tags.values
    if not values["p"]:
        return make_finding("dkim_revoked", name)
    services = _split_list(values.get("s", "*"))
    if not {"*", "email"} & services:
        return make_finding("dkim_not_for_mail", f"{name}: s={values['s']} allows neither * nor email")
    if "h" in values and "sha256" not in _split_list(values["h"]):
        return make_finding("dkim_not_for_mail", f"{name}: h={values['h']} does not allow sha256")
    finding = _check_key(values.get("k", "rsa").lower(), values["p"], name)
    if finding.code == "ok" and "y" in _split_list(values.get("t", "")):
        return make_finding("dkim_testing", name)
    return finding


def _find_syntax_fault(tags: TagList) -> str:
    """Return why receivers ignore the record, or an empty text."""
    if tags.malformed:
        return f"{tags.malformed[0]} is not a tag"
    if tags.repeated:
        return f"{tags.repeated[0]}= appears twice"
    if "v" in tags.values and tags.names[0] != "v":
        return "v= is not the first tag"
    return ""


def _split_list(value: str) -> set[str]:
    return {part.strip().lower() for part in value.split(":")}


def _check_key(key_type: str, published: str, name: str) -> RecordFinding:
    try:
        key = base64.b64decode(re.sub(r"\s+", "", published), validate=True)
    except ValueError:
        return make_finding("dkim_malformed", f"{name}: p= is not base64")
    if key_type == "rsa":
        return _check_rsa_key(key, name)
    if key_type != "ed25519":
        return make_finding("dkim_malformed", f"{name}: k={key_type} is neither rsa nor ed25519")
    if len(key) != _ED25519_BYTES:
        return make_finding("dkim_malformed", f"{name}: an Ed25519 key has 32 bytes, this one has {len(key)}")
    return make_finding("ok", f"{name}, ed25519")


def _check_rsa_key(der: bytes, name: str) -> RecordFinding:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return make_finding("dkim_malformed", f"{name}: p= is not a public key")
    if not isinstance(key, RSAPublicKey):
        return make_finding("dkim_malformed", f"{name}: p= is not an RSA key, but k=rsa")
    detail = f"{name}, rsa, {key.key_size} bits"
    if key.key_size < MIN_RSA_BITS:
        return make_finding("dkim_weak_key", detail)
    if der == key.public_bytes(Encoding.DER, PublicFormat.PKCS1):
        return make_finding("dkim_key_format", detail)
    if key.key_size < GOOD_RSA_BITS:
        return make_finding("dkim_short_key", detail)
    return make_finding("dkim_long_key" if key.key_size > MAX_RSA_BITS else "ok", detail)

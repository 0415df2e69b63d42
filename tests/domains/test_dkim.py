"""DKIM keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.domains.check import check_domain
from gmail_warmup.domains.dkim import check_dkim
from samples.dns.dkim import DKIM_SAMPLES, KEY, rsa_key
from samples.dns.zone import Zone

NAME = "google._domainkey.warm.example"
_PIECES = ["v=DKIM1", "k=rsa", "k=ed25519", f"p={KEY}", "p=", "t=y", "s=email", "h=sha1", "rubbish"]


@pytest.mark.parametrize(("texts", "code"), DKIM_SAMPLES, ids=lambda value: str(value)[:60])
def test_what_receivers_do_with_a_key(texts: str | list[str], code: str):
    found = check_domain("warm.example", Zone({NAME: texts}), selector="google")[DnsRecord.DKIM]
    assert found.code == code


def test_the_length_is_shown():
    assert check_dkim("warm.example", Zone({NAME: f"p={rsa_key(1024)}"}), selector="google").detail == (
        f"{NAME}, rsa, 1024 bits"
    )


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=12), max_size=6), st.binary(max_size=200))
def test_any_text_has_a_result(tags: list[str], key: bytes):
    texts = [";".join(tags), ";".join([*tags, f"p={key.hex()}"])]
    for text in texts:
        assert check_dkim("warm.example", Zone({NAME: text}), selector="google").result in DnsResult

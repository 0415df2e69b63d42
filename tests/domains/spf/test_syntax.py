"""The parser of SPF records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.domains.spf.evaluation import SpfResult, check_host
from gmail_warmup.domains.spf.macros import MacroSyntaxError, expand_domain, parse_domain_spec
from gmail_warmup.domains.spf.syntax import SpfSyntaxError, parse_spf_record
from samples.dns.spf import SPF_SAMPLES, ZONE
from samples.dns.zone import Zone

_PIECES = sorted({term for sample in SPF_SAMPLES for text in sample.texts for term in text.split(" ")})
_ALPHABET = "abimxprl%{}:/=.-+~?_0129 \t\0\ufffdé"
RECORDS = st.lists(st.sampled_from(_PIECES) | st.text(_ALPHABET, max_size=12) | st.text(max_size=6), max_size=8)


@given(RECORDS)
def test_any_text_is_a_record_or_a_syntax_error(terms: list[str]):
    text = " ".join(["v=spf1", *terms])
    try:
        record = parse_spf_record(text)
    except SpfSyntaxError:
        return
    assert len(record.mechanisms) <= len(text.split(" "))


@given(RECORDS, st.sampled_from(["192.0.2.10", "2001:db8::10"]))
def test_any_record_has_a_result(terms: list[str], ip: str):
    text = " ".join(["v=spf1", *terms])
    result = check_host(ip, "ann@sender.example", "mx.sender.example", Zone(ZONE, {"sender.example": text})).result
    assert result in SpfResult
    try:
        parse_spf_record(text)
    except SpfSyntaxError:
        assert result is SpfResult.PERMERROR, "a syntax error anywhere makes the record void"


@given(st.text(_ALPHABET, max_size=30), st.text(max_size=300))
def test_any_macro_string_expands_to_a_name_that_is_not_too_long_for_its_labels(text: str, value: str):
    try:
        parts = parse_domain_spec(text)
    except MacroSyntaxError:
        return
    name = expand_domain(parts, lambda letter: value)
    assert len(name) <= 253 or "." not in name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("%{s}.x.example", "strong-bad@email.example.com.x.example"),
        ("%{l-}.x.example", "strong.bad.x.example"),
        ("%{lr-}.x.example", "bad.strong.x.example"),
        ("%{l1r-}.x.example", "strong.x.example"),
        ("%{d2}.x.example", "example.com.x.example"),
        ("%{D2}", "example.com"),
        ("%{d.r}.x.example", None),
        ("%{dr.}.x.example", "com.example.email.x.example"),
        ("%{L}.x.example", "strong-bad.x.example"),
        ("%{S}.x.example", "strong-bad%40email.example.com.x.example"),
    ],
)
def test_macros(text: str, name: str | None):
    values = {"s": "strong-bad@email.example.com", "l": "strong-bad", "d": "email.example.com"}
    if name is None:
        with pytest.raises(MacroSyntaxError):
            parse_domain_spec(text)
    else:
        assert expand_domain(parse_domain_spec(text), values.__getitem__) == name

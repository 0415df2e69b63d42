"""What Google reports about SPF, DKIM and DMARC in the headers of a mail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.gmail.authentication_header import parse_authentication_header
from gmail_warmup.gmail.authentication_results import is_aligned, read_authentication
from samples.authentication.check import read_sample
from samples.authentication.headers import FAILING, GOOGLE, SAMPLES, SENDER, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_header_is_read_as_google_means_it(sample: Sample):
    assert read_sample(sample) == (sample.expected, sample.failed if sample.expected else None)


def test_properties_are_found_by_their_names():
    header = parse_authentication_header(
        'mx.google.com; dkim=pass header.i=x@warm.example header.s=s1 (a) Header.B="a b"; spf=none smtp.helo=h.example'
    )
    dkim, spf = header.results
    assert dkim.properties == {"header.i": "x@warm.example", "header.s": "s1", "header.b": "a b"}
    assert spf.properties == {"smtp.helo": "h.example"}


@pytest.mark.parametrize(
    ("one", "other", "aligned"),
    [
        ("warm.example", "warm.example", True),
        ("WARM.example.", "warm.example", True),
        ("mail.warm.example", "warm.example", True),
        ("warm.example", "a.b.warm.example", True),
        ("a.warm.example", "b.warm.example", True),
        ("evilwarm.example", "warm.example", False),
        ("warm.example.org", "warm.example", False),
        ("other.example", "warm.example", False),
        ("co.uk", "warm.co.uk", False),
        ("a.warm.co.uk", "b.warm.co.uk", True),
        ("a.github.io", "b.github.io", False),
        ("", "warm.example", False),
        ("warm.example", "", False),
        ("", "", False),
        ("com", "example.com", False),
    ],
)
def test_domains_are_aligned_if_they_are_registered_together(one: str, other: str, aligned: bool):
    assert is_aligned(one, other) is aligned
    assert is_aligned(other, one) is aligned


_PIECES = st.sampled_from(
    ["mx.google.com", ";", "(", ")", '"', "\\", "=", ".", "/", " ", "\r\n\t", "spf", "dkim", "dmarc", "pass", "fail",
     "@", "smtp.mailfrom", "header.i", "header.d", "warm.example", "\u2028", "\x00", "é", "none", "1"]
)  # fmt: skip
_HEADERS = st.one_of(st.text(max_size=300), st.lists(_PIECES, max_size=60).map("".join))


@settings(max_examples=400, deadline=None)
@given(headers=st.lists(_HEADERS, max_size=4), sender=_HEADERS)
def test_no_header_makes_it_fail(headers: list[str], sender: str):
    assert len(read_authentication(headers, sender)) in (0, 3)
    assert len(read_authentication([f"mx.google.com; {header}" for header in headers], sender)) in (0, 3)


@given(forged=st.lists(_HEADERS, max_size=3))
def test_what_stands_below_googles_header_changes_nothing(forged: list[str]):
    assert read_authentication([GOOGLE, FAILING, *forged], SENDER) == read_authentication([GOOGLE], SENDER)


@pytest.mark.parametrize("piece", ["a", " ", "a.", "(", '"', "\\", "a=", 'a="', "a/1.b = ", ";(", "\r\n "])
def test_a_huge_header_is_read_at_once(piece: str):
    assert read_authentication([f"mx.google.com; spf=pass {piece * 200_000}", GOOGLE], SENDER)

"""Reading mails and queries of any shape."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_sandbox import mime, search
from gmail_sandbox.mailbox import Mailbox

_NAMES = ("From", "To", "Subject", "Message-ID", "References", "Content-Type", "Date", "X-Any", "Content-Disposition")
_HEADER = st.sampled_from([*_NAMES, "Content-Transfer-Encoding"])
_VALUE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"=?utf-8?q?=",
            b"multipart/mixed; boundary=",
            b"a@b, <c@d>, :;",
            b'"',
            b"text/plain; charset=no",
            b"attachment; filename*=x",
            b"base64",
        ]
    ),
)


@given(st.lists(st.tuples(_HEADER, _VALUE), max_size=6), st.binary(max_size=200))
@settings(max_examples=150, deadline=None, database=None)
def test_any_mail_can_be_read(headers: list[tuple[str, bytes]], body: bytes) -> None:
    raw = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    content = mime.read(raw)
    content.addresses("from", "to")
    content.words_of("text")
    shown = [content.snippet, content.thread_subject, sorted(content.references), mime.payload(raw), content.headers]
    json.dumps(shown, ensure_ascii=False).encode()  # nothing that JSON or UTF-8 cannot carry


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None, database=None)
def test_any_query_is_answered_or_refused(text: str) -> None:
    with suppress(search.BadQuery):
        search.parse(text, Mailbox("ann@example.com"), 0.0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Hi &amp; bye</p>", "Hi & bye"),
        (b"Content-Type: text/plain; charset=unheard-of\r\n\r\nHi", ""),
        (b"Subject: x\n\nLine feeds only", "Line feeds only"),
        (
            b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>H</b>\r\n"
            b"--b\r\nContent-Type: text/plain\r\n\r\nP\r\n--b--\r\n",
            "P",
        ),
    ],
)
def test_text_of_a_mail(raw: bytes, text: str) -> None:
    assert mime.read(raw).text.split() == text.split()


def test_changing_headers_leaves_the_rest_alone() -> None:
    raw = b"A: 1\r\nDrop: long\r\n\tfolded\r\nB: 2\r\n folded\r\n\r\nBody\r\n\r\nmore"
    changed = mime.read(raw).changed(drop={"drop"}, prepend=[("New", "x")])
    assert changed.raw == b"New: x\r\nA: 1\r\nB: 2\r\n folded\r\n\r\nBody\r\n\r\nmore"
    assert changed.headers == mime.read(changed.raw).headers

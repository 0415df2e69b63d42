"""The one rule for characters, used for input and for mail headers."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gmail_warmup.core.characters import describe_character, normalize_credential, normalize_reason, to_one_line
from gmail_warmup.gmail.mime import OutgoingMail, build_message
from gmail_warmup.mailboxes.records import MailboxSettings


def build(name: str | None, signature: str | None) -> bytes:
    text = f"Hello\n{signature or ''}"
    return build_message(
        OutgoingMail(
            sender="ada@example.com", sender_name=name, recipient="eve@example.com", recipient_name=name, subject="x",
            text=text, html=text, message_id="<a@example.com>",
        )
    )  # fmt: skip


@given(st.text(max_size=20), st.text(max_size=60))
def test_every_name_and_signature_that_is_accepted_can_be_sent(name: str, signature: str):
    try:
        settings = MailboxSettings(kind="pool", display_name=name, signature=signature)
    except (ValidationError, UnicodeEncodeError):
        return
    assert build(settings.display_name, settings.signature)


def test_every_single_character_that_is_accepted_in_a_name_can_be_sent():
    accepted = 0
    for point in range(sys.maxunicode + 1):
        char = chr(point)
        if unicodedata.category(char)[0] not in "CZ":  # the others are letters, marks and symbols
            continue
        try:
            settings = MailboxSettings(kind="pool", display_name=f"a{char}b")
        except (ValidationError, UnicodeEncodeError):
            continue
        accepted += 1
        if accepted < 2000:
            assert build(settings.display_name, None)
    assert accepted


@pytest.mark.parametrize(
    ("char", "said"),
    [("\x00", "U+0000 (NUL)"), ("\n", "U+000A (LINE FEED)"), ("\u200b", "U+200B (ZERO WIDTH SPACE)"),
     ("\ud800", "U+D800 (SURROGATE)"), ("\x9b", "U+009B (CONTROL CHARACTER)"),
     ("\U000e0001", "U+E0001 (LANGUAGE TAG)")],
)  # fmt: skip
def test_a_character_is_described_by_code_point_and_name(char: str, said: str):
    assert describe_character(char) == said


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "a\u2028b", "a\x85b", "a\x00b", "a\x1bb", "x" * 501])
def test_a_reason_is_one_line(reason: str):
    with pytest.raises(ValueError, match="must"):
        normalize_reason(reason)


def test_a_reason_of_a_file_becomes_one_line():
    assert to_one_line(" a\r\nb\u2028c\x00\x1b d ") == "a b c d"


def test_a_credential_has_a_maximum_length():
    with pytest.raises(ValueError, match="longer than 3"):
        normalize_credential("abcd", max_length=3)

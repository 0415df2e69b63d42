"""The bytes of a mail: a round trip through another parser, hostile input, and the form that Gmail wants."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.gmail.mime import OutgoingMail, build_message, encode_message, make_message_id

LONG_ID = f"<{'a' * 120}@mail.example.com>"


def outgoing(**changes: Any) -> OutgoingMail:
    usual: dict[str, Any] = {
        "sender": "ada@warm.example",
        "sender_name": "Ada Lovelace",
        "recipient": "grace@pool.example",
        "recipient_name": "Grace Hopper",
        "subject": "A question",
        "text": "Hello,\n\nuntil Monday.\n",
        "html": "<p>Hello,</p>\n<p>until Monday.</p>\n",
        "message_id": "<token@warm.example>",
        "headers": {"X-Warmup-Id": "token"},
    }
    return OutgoingMail(**(usual | changes))


def parsed(mail: OutgoingMail) -> Message:
    """Read with the older parser of the standard library, which shares no header code with the newer one."""
    return message_from_bytes(build_message(mail))


def unfolded(value: str) -> str:
    return str(make_header(decode_header(value.replace("\r\n", ""))))


def people(message: Message, header: str) -> list[tuple[str, str]]:
    return [(unfolded(name), address) for name, address in getaddresses([message[header].replace("\r\n", "")])]


def test_a_mail_as_gmail_gets_it() -> None:
    assert (
        build_message(outgoing())
        .decode()
        .startswith(
            "From: Ada Lovelace <ada@warm.example>\r\n"
            "To: Grace Hopper <grace@pool.example>\r\n"
            "Subject: A question\r\n"
            "Message-ID: <token@warm.example>\r\n"
            "X-Warmup-Id: token\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative;\r\n"
        )
    )


def test_a_reply_names_what_it_answers() -> None:
    message = parsed(outgoing(in_reply_to=LONG_ID, references=("<first@pool.example>", LONG_ID)))
    assert message["In-Reply-To"] == LONG_ID
    assert message["References"].split() == ["<first@pool.example>", LONG_ID]
    first = parsed(outgoing())
    assert first["In-Reply-To"] is None
    assert first["References"] is None


def test_without_names_the_addresses_stand_alone() -> None:
    message = parsed(outgoing(sender_name=None, recipient_name=" "))
    assert message["From"] == "ada@warm.example"
    assert message["To"] == "grace@pool.example"


# Whatever people write: only the characters that no header may hold are left out.
LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=150) | st.sampled_from(
    [
        "Lovelace, Ada",
        'Ada "the first" \\ Lovelace',
        'evil, "x" <b@evil.example>, ' * 5,
        "=?utf-8?q?=0D=0ABcc:_b@evil.example?=",
        "Ada =?utf-8?b?DQpCY2M6IGJAZXZpbC5leGFtcGxl?=",
        "Zoë " * 30,
        "你好" * 40,
        "a" * 300,
        "(comment) <b@evil.example>",
        "two  spaces",
        "far" + " " * 200 + "apart",
        "word " * 40,
        "; , : @",
    ]
)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES, LINES)
def test_any_name_and_subject_comes_back_and_adds_nothing(sender_name: str, recipient_name: str, subject: str) -> None:
    content = build_message(outgoing(sender_name=sender_name, recipient_name=recipient_name, subject=subject))
    head = content.partition(b"\r\n\r\n")[0].decode("ascii")
    assert all(len(line) <= 100 for line in head.split("\r\n"))
    assert "\n" not in head.replace("\r\n", "")
    message = message_from_bytes(content)
    names = ["From", "To", "Subject", "Message-ID", "X-Warmup-Id", "MIME-Version", "Content-Type"]
    assert message.keys() == names
    assert people(message, "From") == [(sender_name.strip(), "ada@warm.example")]
    assert people(message, "To") == [(recipient_name.strip(), "grace@pool.example")]
    assert unfolded(message["Subject"]) == subject.strip()
    newer = message_from_bytes(content, policy=policy.default)
    assert [one.addr_spec for one in newer["From"].addresses] == ["ada@warm.example"]
    assert newer["Subject"] == subject.strip()


BODIES = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\t\n"), max_size=300)


@settings(max_examples=100, deadline=None)
@given(BODIES, BODIES)
def test_any_body_comes_back(text: str, html: str) -> None:
    content = build_message(outgoing(text=text, html=html))
    assert content.isascii()
    assert all(len(line) <= 78 for line in content.split(b"\r\n"))
    message = message_from_bytes(content, policy=policy.default)
    assert message.get_content_type() == "multipart/alternative"
    plain, markup = cast(list[EmailMessage], message.get_payload())
    assert (plain.get_content_type(), markup.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert markup.get_content().replace("\r\n", "\n").rstrip("\n") == html.rstrip("\n")


FIELDS = ["sender", "sender_name", "recipient", "recipient_name", "subject", "message_id", "in_reply_to"]
BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028", "\x7f", "\ud800"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("mark", BREAKS, ids=ascii)
def test_control_characters_are_refused_by_field(field: str, mark: str) -> None:
    good = "<token@warm.example>" if field in ("message_id", "in_reply_to") else "ada@warm.example"
    build_message(outgoing(**{field: good}))
    for value in (f"{good}{mark}Bcc: b@evil.example", f"{good}{mark}", f"{mark}{good}"):
        with pytest.raises(InvalidInputError, match=rf"^{field}: "):
            build_message(outgoing(**{field: value}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"references": ("<a@b.example>", "<c@d.example>\r\nBcc: b@evil.example")}, "references"),
        ({"references": ("no id",)}, "references"),
        ({"message_id": "token@warm.example"}, "message_id"),
        ({"in_reply_to": "<a@b.example> <c@d.example>"}, "in_reply_to"),
        ({"sender": "Ada <ada@warm.example>"}, "sender"),
        ({"sender": "ada@warm.example, b@evil.example"}, "sender"),
        ({"recipient": ""}, "recipient"),
        ({"recipient": "grâce@pool.example"}, "recipient"),
        ({"recipient": "=?utf-8?q?a?=@pool.example"}, "recipient"),
        ({"headers": {"X-One": "a\r\nBcc: b@evil.example"}}, r"headers\['X-One'\]"),
        ({"headers": {"X-One": "a\n"}}, r"headers\['X-One'\]"),
        ({"headers": {"X-One\r\nBcc": "b@evil.example"}}, r"headers\['X-One"),
        ({"headers": {"X-One": "=?utf-8?q?=0A?="}}, r"headers\['X-One'\]"),
        ({"headers": {"X-One": "ä"}}, r"headers\['X-One'\]"),
        ({"headers": {"X-One": ""}}, r"headers\['X-One'\]"),
        ({"headers": {"X-One": "a" * 901}}, r"headers\['X-One'\]"),
        ({"headers": {"X One": "a"}}, r"headers\['X One'\]"),
        ({"headers": {"bcc": "b@evil.example"}}, r"headers\['bcc'\]"),
        ({"headers": {"FROM": "b@evil.example"}}, r"headers\['FROM'\]"),
        ({"headers": {"Content-Type": "text/html"}}, r"headers\['Content-Type'\]"),
        ({"text": "a\0b"}, "text"),
        ({"html": "a\ud800b"}, "html"),
    ],
)
def test_what_breaks_a_header_or_part_is_refused_by_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{named}"):
        build_message(outgoing(**changes))


def test_a_long_token_stays_whole() -> None:
    assert f"\r\nX-Warmup-Id: {'t' * 200}\r\n" in build_message(outgoing(headers={"X-Warmup-Id": "t" * 200})).decode()


def test_the_same_mail_has_the_same_bytes() -> None:
    assert build_message(outgoing()) == build_message(outgoing())
    assert build_message(outgoing()) != build_message(outgoing(text="Other.\n"))


def test_raw_is_base64url() -> None:
    mail = outgoing(text="ÿþý~~~???" * 20)
    assert set("+/").isdisjoint(encode_message(mail))
    assert base64.urlsafe_b64decode(encode_message(mail)) == build_message(mail)


def test_message_id_joins_token_and_domain() -> None:
    assert make_message_id("4f1c-9.a_b", "ada@mail.warm.example") == "<4f1c-9.a_b@mail.warm.example>"
    build_message(outgoing(message_id=make_message_id("a" * 100, "ada@warm.example")))


@pytest.mark.parametrize(
    ("token", "address", "named"),
    [
        ("", "ada@warm.example", "token"),
        ("a b", "ada@warm.example", "token"),
        ("a\n", "ada@warm.example", "token"),
        ("a@b", "ada@warm.example", "token"),
        ("a", "warm.example", "address"),
        ("a", "ada@warm.example>\r\nX: y", "address"),
    ],
)
def test_wrong_parts_of_a_message_id_are_named(token: str, address: str, named: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{named}: "):
        make_message_id(token, address)

"""Delivery status notifications: those that mail systems send, those that they should not, and noise."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmail_sandbox import bounce as sandbox_bounce
from gmail_sandbox import mime as sandbox_mime
from gmail_warmup.gmail.delivery_status import find_replied_message_id, is_auto_reply, parse_delivery_status

TOKEN = "0123456789abcdef" * 2
OWN, OTHER = "<own@mail.sandbox.example>", "<other@elsewhere.example>"
ORIGINAL = f"""From: ada@warm.example
To: pia@pool.example
Subject: A question
Message-ID: {OWN}
References: <earlier@mail.sandbox.example>
X-Warmup-Id: {TOKEN}

Hello.
"""


def report(
    *,
    action: str | None = "failed",
    status: str | None = "5.1.1",
    returned: str = ORIGINAL,
    returned_type: str = "message/rfc822",
    head: str = "",
    kind: str = "multipart/report; report-type=delivery-status",
) -> bytes:
    fields = ["Final-Recipient: rfc822; pia@pool.example"]
    fields += [f"Action: {action}"] if action is not None else []
    fields += [f"Status: {status}"] if status is not None else []
    lines = "\n".join(fields)
    text = (
        f'From: mailer-daemon@sandbox.example\nSubject: Failure\n{head}Content-Type: {kind}; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\nSorry.\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{lines}\n\n"
        f"--b\nContent-Type: {returned_type}\n\n{returned}\n--b--\n"
    )
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("action", "status", "verdict"),
    [
        ("failed", "5.1.1", (True, "5.1.1")),
        ("Failed", "5.7.1 (refused)", (True, "5.7.1")),
        ("failed", "4.4.7", (True, "4.4.7")),  # given up after days
        ("delayed", "4.4.1", (False, "4.4.1")),
        ("failed", None, (True, "5.0.0")),
        ("failed", "nonsense", (True, "5.0.0")),
        ("delayed", "4.4.1111", (False, "4.0.0")),
        ("delivered", "2.0.0", None),
        ("failed", "2.0.0", None),
        ("relayed", "5.1.1", None),
        (None, "5.1.1", None),
    ],
)
def test_what_a_notification_says(action: str | None, status: str | None, verdict: tuple[bool, str] | None):
    found = parse_delivery_status(report(action=action, status=status), token_header="X-Warmup-Id")
    assert (found and (found.is_final, found.status)) == verdict


@pytest.mark.parametrize(
    ("changes", "tokens", "message_ids"),
    [
        ({}, {TOKEN}, {OWN}),
        ({"returned_type": "text/rfc822-headers"}, {TOKEN}, {OWN}),
        ({"returned": ORIGINAL.replace("X-Warmup-Id", "X-Other")}, set(), {OWN}),
        ({"returned": ORIGINAL.replace(TOKEN, "not a token")}, set(), {OWN}),
        ({"returned": ORIGINAL.replace("Message-ID", "X-Google-Original-Message-ID")}, {TOKEN}, {OWN}),
        ({"returned": "", "head": f"In-Reply-To: {OWN}\n"}, set(), {OWN}),
        ({"returned": "", "head": f"References: {OTHER}\n {OWN}\n"}, set(), {OWN}),
        ({"returned": "\n"}, set(), set()),
    ],
)
def test_which_mail_a_notification_is_about(changes: dict[str, str], tokens: set[str], message_ids: set[str]):
    found = parse_delivery_status(report(**changes), token_header="X-Warmup-Id")
    assert found
    assert (found.tokens, found.message_ids) == (tokens, message_ids)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        ORIGINAL.encode(),
        report(kind="multipart/mixed"),
        report().replace(b"--b\r\nContent-Type: message/delivery-status", b"--b\r\nContent-Type: text/plain"),
        b"Content-Type: multipart/report\r\n\r\nno boundary",
        b"Content-Type: multipart/report; boundary*=utf-8''%ff%fe\r\n\r\nx",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--",
    ],
)
def test_what_is_none_is_none(raw: bytes):
    assert parse_delivery_status(raw, token_header="X-Warmup-Id") is None


def test_parts_within_parts_without_end():
    raw = ORIGINAL.encode()
    for depth in range(1500):
        raw = f'Content-Type: multipart/report; boundary="b{depth}"\r\n\r\n--b{depth}\r\n'.encode() + raw
    assert parse_delivery_status(raw, token_header="X-Warmup-Id") is None


SOUND = report()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Cut, double, swap and overwrite pieces of a sound notification."""
    raw = bytearray(SOUND)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 80)))
        piece = draw(
            st.binary(max_size=40) | st.sampled_from([b"\r\n", b"--b\r\n", b"--b--", b"=?utf-8?q?=0A?=", b"\x00"])
        )
        raw[start:end] = piece * draw(st.integers(0, 3))
    return bytes(raw)


@settings(max_examples=400, deadline=None)
@given(damaged() | st.binary(max_size=500))
@example(SOUND.replace(b"boundary", b"boundary*0*"))
@example(SOUND.replace(b"rfc822", b"external-body"))
def test_no_notification_raises_and_none_is_made_up(raw: bytes):
    found = parse_delivery_status(raw, token_header="X-Warmup-Id")
    if found:
        assert re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", found.status)
        assert all(re.fullmatch(r"[0-9a-f]{32}", token) for token in found.tokens)
        assert all(token.encode() in raw for token in found.tokens)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["5.1.1", "5.2.2", "4.4.1"]),
    st.text(st.characters(codec="ascii", exclude_characters="\r\n<>", exclude_categories=("Cc",)), max_size=60),
)
def test_what_gmails_stand_in_sends_comes_back_whole(status: str, subject: str):
    original = sandbox_mime.read(ORIGINAL.replace("A question", subject or "-").replace("\n", "\r\n").encode())
    raw = sandbox_bounce.bounce(original, "ada@warm.example", "pia@pool.example", "<b@x.example>", 0.0, status)
    found = parse_delivery_status(raw, token_header="X-Warmup-Id")
    assert found
    assert (found.is_final, found.status) == (not status.startswith("4"), status)
    assert (found.tokens, found.message_ids) == ({TOKEN}, {OWN})


@pytest.mark.parametrize(
    ("headers", "automatic"),
    [
        ({}, False),
        ({"auto-submitted": "no"}, False),
        ({"auto-submitted": "No; owner=ada"}, False),
        ({"auto-submitted": "auto-replied"}, True),
        ({"auto-submitted": "auto-generated"}, True),
        ({"precedence": "bulk"}, True),
        ({"precedence": "list"}, False),
        ({"precedence": "AUTO_REPLY"}, True),
        ({"x-autoreply": "yes"}, True),
        ({"x-autoreply": "no"}, False),
        ({"x-autorespond": "Away until Monday"}, True),
        ({"subject": "Automatic reply: out of office"}, False),
    ],
)
def test_who_answers_by_itself(headers: dict[str, str], automatic: bool):
    assert is_auto_reply(headers) is automatic


@pytest.mark.parametrize(
    ("in_reply_to", "references", "found"),
    [
        (OWN, OTHER, [OWN]),
        ("", f"{OTHER} {OWN}", [OWN]),
        (f"{OWN} {OTHER}", "", [OWN]),
        ("", "", []),
        ("no id", "none either", []),
    ],
)
def test_which_mail_is_answered(in_reply_to: str, references: str, found: list[str]):
    assert find_replied_message_id(in_reply_to, references) == found

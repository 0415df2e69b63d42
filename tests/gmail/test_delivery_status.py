"""Delivery status notifications: those that mail systems send, those that they should not, and noise."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmail_sandbox import bounce as sandbox_bounce
from gmail_sandbox import mime as sandbox_mime
from gmail_warmup.core.enums import BounceKind
from gmail_warmup.gmail.bounce_kinds import find_bounce_kind
from gmail_warmup.gmail.delivery_status import find_replied_message_id, is_auto_reply, parse_delivery_status
from samples.notifications import forms
from samples.notifications.cases import CASES, DELAYED, FAILED, LIMIT_SENTENCES, NONE, Case

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
        (None, "5.1.1", (True, "5.1.1")),  # not of RFC 3464, but mail systems send it
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
        b"Content-Type: multipart/report\r\n\r\nno boundary",
        b"Content-Type: multipart/report; boundary*=utf-8''%ff%fe\r\n\r\nx",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--",
    ],
)
def test_what_is_none_is_none(raw: bytes):
    assert parse_delivery_status(raw, token_header="X-Warmup-Id") is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_notifications_of_many_mail_systems(case: Case):
    """Whether it is a bounce, whether that is final, of which recipient, and of which mail."""
    found = parse_delivery_status(case.raw, token_header="X-Warmup-Id")
    own = found and found.for_recipient(case.recipient)
    assert (NONE if own is None else FAILED if own.is_final else DELAYED) == case.verdict
    if own:
        assert not case.status or own.status == case.status
        assert any(case.recipient in one.addresses for one in own.recipients)
        assert (own.tokens, forms.OWN_ID in own.message_ids) == ({forms.TOKEN}, True)


EMPTY, CODE, REPLY = "", forms.group(status="5.4.5"), "550-5.4.5 Daily user sending limit exceeded."
LINK = "Read more: https://support.google.com/mail/answer/22839"
NO_LIMIT = "Your message was not delivered."


def limit_notice(text: str, *, fields: str = EMPTY, sender: str = "mailer-daemon@googlemail.test") -> bytes:
    head = f"From: Mail Delivery Subsystem <{sender}>\nSubject: Delivery Status Notification (Failure)\n"
    return forms.report(fields=fields, text=text, head=head)


@pytest.mark.parametrize("language", LIMIT_SENTENCES)
def test_the_sending_limit_is_recognized_in_many_languages(language: str):
    text = LIMIT_SENTENCES[language]
    head = "From: mailer-daemon@googlemail.test\nSubject: Delivery Status Notification (Failure)"
    for raw in (limit_notice(text), forms.plain(text, head=head, returned=forms.RETURNED)):
        found = parse_delivery_status(raw, token_header="X-Warmup-Id")
        assert found
        assert (found.kind, found.is_final, found.tokens) == (BounceKind.SENDING_LIMIT, True, {forms.TOKEN})


@pytest.mark.parametrize(
    ("raw", "is_limit"),
    [
        (limit_notice(NO_LIMIT, fields=CODE), True),
        (limit_notice(NO_LIMIT, fields=forms.group(status="4.4.5", action="delayed")), True),
        (limit_notice(NO_LIMIT, fields=forms.group(status="5.7.0", code=f"smtp; {REPLY}")), True),
        (limit_notice(REPLY), True),
        (limit_notice(f"{NO_LIMIT} {LINK}"), True),
        (limit_notice(f"{NO_LIMIT} {LINK.replace('mail/answer/22839', 'a/answer/166852?hl=fi')}"), True),
        (limit_notice(f"{NO_LIMIT} https://support.google.com/mail/?p=DailyLimitExceeded"), True),
        (limit_notice(NO_LIMIT, fields=CODE, sender="mail-noreply@google.test"), True),
        (limit_notice(NO_LIMIT, fields=forms.group(status="5.4.5", Remote_MTA="dns; mx.l.google.com")), True),
        (limit_notice(NO_LIMIT, fields=forms.group(status="5.4.5", Remote_MTA="dns; mx.elsewhere.example")), False),
        (limit_notice(NO_LIMIT, fields=CODE, sender="somebody@elsewhere.example"), False),
        (limit_notice(NO_LIMIT, fields=forms.group(status="5.1.1")), False),
        (limit_notice("The recipient's mailbox exceeded its limit for sending and receiving."), False),
        (limit_notice("The user you wrote to is receiving mail at too high a rate; the limit is reached."), False),
        (limit_notice("Your message exceeds the size limit of the domain. https://support.google.com/mail/?p=MaxSize"),
         False),
    ],
)  # fmt: skip
def test_what_is_a_notice_of_the_sending_limit(raw: bytes, is_limit: bool):
    found = parse_delivery_status(raw, token_header="X-Warmup-Id")
    assert found
    assert (found.kind is BounceKind.SENDING_LIMIT) is is_limit


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (BounceKind.REJECTED, "5.7.1 5.7.25 5.7.26 5.7.27 5.7.28 5.7.515 4.7.0 4.7.28 4.7.26 5.1.8 5.1.7"),
        (BounceKind.UNKNOWN_RECIPIENT, "5.1.1 5.1.0 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1 5.4.4 5.4.1"),
        (BounceKind.MAILBOX_FULL, "5.2.2 4.2.2 4.3.1"),
        (BounceKind.MESSAGE, "5.2.3 5.3.4 5.6.0 5.6.1"),
        (BounceKind.UNREACHABLE, "4.4.1 4.4.7 5.4.7 4.2.1 4.3.2 4.5.3"),
        (BounceKind.OTHER, "5.0.0 5.5.1"),
    ],
)
def test_a_status_code_has_a_kind(kind: BounceKind, statuses: str):
    assert {status: find_bounce_kind(status, "") for status in statuses.split()} == dict.fromkeys(
        statuses.split(), kind
    )


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        (BounceKind.REJECTED, "5.0.0", "554 Message refused, your IP is listed at zen.spamhaus.example"),
        (BounceKind.REJECTED, "5.0.0", "550 This message is likely unsolicited mail"),
        (BounceKind.REJECTED, "5.1.0", "550 Sender blocked by our blocklist"),
        (BounceKind.REJECTED, "5.0.0", "550 DMARC check failed"),
        (BounceKind.REJECTED, "5.5.0", "554 Message temporarily blocked"),
        (BounceKind.UNKNOWN_RECIPIENT, "5.0.0", "550 No such user here"),
        (BounceKind.UNKNOWN_RECIPIENT, "5.0.0", "550 mailbox unavailable"),
        (BounceKind.UNKNOWN_RECIPIENT, "5.1.1", "550 spam trap"),
        (BounceKind.MAILBOX_FULL, "5.0.0", "552 The user is over quota"),
        (BounceKind.UNREACHABLE, "5.0.0", "Connection timed out"),
        (BounceKind.MESSAGE, "5.0.0", "552 Message is too large"),
        (BounceKind.OTHER, "5.0.0", "550 no"),
    ],
)
def test_a_vague_status_code_is_explained_by_the_text(kind: BounceKind, status: str, text: str):
    assert find_bounce_kind(status, text) is kind


def test_the_servers_text_is_safe_to_show_and_bounded():
    code = "smtp; 550 5.7.1 <script>\u202e blocked\x07 " + "x" * 5000
    found = parse_delivery_status(forms.report(forms.group(status="5.7.1", code=code)), token_header="X-Warmup-Id")
    assert found
    assert found.text.startswith("550 5.7.1 <script> blocked")
    assert (len(found.text), found.text.isprintable()) == (500, True)


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
        ({"auto-submitted": "auto-replied", "content-type": "multipart/report; report-type=delivery-status"}, False),
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

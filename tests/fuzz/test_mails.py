"""Mails that strangers send: hostile, huge, and such that answer each other. Nothing crashes, loops or is believed."""

from __future__ import annotations

import random
import time

import pytest

from fuzz.mutator import Mutator
from fuzz.parsers import PARSERS
from gmail_sandbox.client import SandboxError
from gmail_warmup.core.enums import Action
from gmail_warmup.gmail import delivery_status
from gmail_warmup.gmail.errors import GmailError
from support.mail_kit import ADA, AT_ONCE, POOL, act, counted, everybody, ledger
from support.workers import hook
from support.world import World

DAEMON = "mailer-daemon@sandbox.example"
HUGE = 10_000_000


@pytest.fixture
def warm(world: World) -> World:
    """Return a world in which everything is due at once and everybody answers everything."""
    world.settings = AT_ONCE.model_copy(update={"ramp_start": 2})
    world.add(ADA, kind="warmup", expired=False, open_rate=100, reply_rate=100)
    for address in POOL:
        world.add(address, kind="pool", expired=False)
    return world


def test_auto_replies_that_answer_each_other_end(warm: World):
    """Every mailbox has a responder that answers whatever comes, also the answers of other responders."""
    for address in (ADA, *POOL):
        warm.sandbox.put_mailbox(address, vacation="I am away.")
    totals = []
    for _ in range(3):
        everybody(warm, *Action, addresses=(ADA, *POOL))
        totals.append(len(ledger(warm)))
    first = len([row for row in ledger(warm) if row.parent_id is None])
    assert totals[-1] <= first * warm.settings.thread_depth
    assert totals[-1] == totals[-2], "nothing more is answered"
    assert counted(warm, "sent") == (first,)


def test_an_answer_that_copies_everything_of_ours_is_answered_by_nobody(warm: World):
    """A responder that returns token, references and subject, again and again."""
    act(warm, Action.SEND)
    for row in ledger(warm):
        for number in range(3):
            warm.sandbox.deliver(
                ADA,
                sender=POOL[0],
                subject=f"Re: {row.subject}",
                headers={
                    "X-Warmup-Id": row.token,
                    "In-Reply-To": row.rfc_message_id,
                    "References": row.rfc_message_id,
                    "Auto-Submitted": "auto-replied" if number % 2 else "no",
                },
            )
    before = len(ledger(warm))
    for _ in range(2):
        everybody(warm, Action.COLLECT, Action.REPLY, Action.SEND, addresses=(ADA,))
    assert len(ledger(warm)) == before
    assert all(row.replied_at is None for row in ledger(warm))


def test_a_bounce_of_ten_million_bytes_is_passed_over(warm: World):
    act(warm, Action.SEND)
    row = ledger(warm)[0]
    body = f"Message-ID: {row.rfc_message_id}\r\nX-Warmup-Id: {row.token}\r\n\r\n" + "x" * HUGE
    raw = (
        f"From: {DAEMON}\r\nTo: {ADA}\r\nSubject: Failure\r\nMessage-ID: <huge@sandbox.example>\r\n"
        f'In-Reply-To: {row.rfc_message_id}\r\nContent-Type: multipart/report; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{body}\r\n--b--\r\n"
    )
    warm.sandbox.deliver(ADA, sender=DAEMON, raw=raw)
    assert act(warm, Action.COLLECT) == {}
    assert counted(warm, "bounced") == (0,)


_HEAD = b'From: a@b.example\r\nContent-Type: multipart/report; boundary="b"\r\n'
_STATUS = b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n"
SHAPES = {
    "one line": _HEAD + b"\r\n" + b"x" * HUGE,
    "many lines": _HEAD + b"\r\n" + b"x\r\n" * (HUGE // 3),
    "many parts": _HEAD + b"\r\n" + _STATUS * 20_000,
    "many headers": _HEAD + b"Message-ID: <a@b.example>\r\n" * (HUGE // 28) + b"\r\n",
    "nested": _HEAD + b"\r\n" + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" * 50_000,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mail_of_ten_million_bytes_is_read_in_bounded_time(shape: str):
    """Bounces beyond 1 MB are not even fetched; if one were, it takes a second or so."""
    began = time.process_time()
    delivery_status.parse_delivery_status(SHAPES[shape], token_header="X-Warmup-Id")
    assert time.process_time() - began < 20


def test_hostile_mails_in_a_mailbox_change_nothing(warm: World):
    """Mails made out of a bounce, in the threads of our mails: none may stop the work or be believed."""
    act(warm, Action.SEND)
    source = random.Random(1)
    draw = Mutator(source, next(parser.examples for parser in PARSERS if parser.name == "bounces and their mails"))
    refused = 0
    for number, row in enumerate(ledger(warm) * 8):
        made = draw.bytes(most=4000).decode("latin-1").replace("\0", "")
        head = f"From: {DAEMON}\r\nMessage-ID: <h{number}@sandbox.example>\r\nIn-Reply-To: {row.rfc_message_id}\r\n"
        try:
            warm.sandbox.deliver(ADA, sender=DAEMON, raw=head + made)
        except SandboxError:
            refused += 1  # what Gmail itself would not take
    assert refused < 8
    assert act(warm, Action.COLLECT).get("collected", 0) == 0
    everybody(warm, Action.RESCUE, Action.READ)
    assert counted(warm, "sent", "missing") == (2, 0)
    with pytest.raises(GmailError):
        hook(warm, ADA).get_message("no such message")

"""Notifications of mail systems: how many are understood, and how many about other mail are touched."""

from __future__ import annotations

from bench.ground import Ground
from bench.report import Figure, Say, at_least, exactly
from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.delivery_status import parse_delivery_status
from samples.notifications import forms
from samples.notifications.cases import CASES, DELAYED, FAILED, NONE, Case
from support.mail_kit import ADA, AT_ONCE, POOL, act, labels, ledger
from support.world import World

_CHECKS = 10
"""Number of checks of the mailbox; each reads a limited number of messages."""


def measure_notifications(ground: Ground, say: Say) -> list[Figure]:
    """Parse every sample, then deliver each to a mailbox as one about another mail."""
    wrong = [case.name for case in CASES if not _is_right(case)]
    for name in wrong:
        say(f"not understood: {name}")
    return [
        Figure(label="notifications", value=len(CASES), target=at_least(300), key="dsn_files"),
        Figure(
            label="  verdict, status, recipient and mail are right",
            value=round(100 * (len(CASES) - len(wrong)) / len(CASES), 2),
            unit="%",
            target=at_least(99.5),
            key="dsn_right",
        ),
        Figure(
            label="  about other mail: labelled, archived or counted",
            value=_count_touched(ground),
            target=exactly(0),
            key="foreign_touched",
        ),
    ]


def _is_right(case: Case) -> bool:
    found = parse_delivery_status(case.raw, token_header="X-Warmup-Id")
    own = found and found.for_recipient(case.recipient)
    if (NONE if own is None else FAILED if own.is_final else DELAYED) != case.verdict:
        return False
    return own is None or (
        case.status in ("", own.status)
        and any(case.recipient in one.addresses for one in own.recipients)
        and own.tokens == {forms.TOKEN}
    )


def _count_touched(ground: Ground) -> int:
    """Return how many of the samples are changed in a mailbox whose mails they are not about."""
    world = ground.fresh()
    world.sandbox.set(units=False)  # hours of checks happen within a minute here
    world.settings = AT_ONCE.model_copy(update={"ramp_start": 1})
    world.add(ADA, kind="warmup", expired=False)
    world.add(POOL[0], kind="pool", expired=False)
    act(world, Action.SEND)
    foreign = [_deliver(world, case) for case in CASES]
    before = {message_id: labels(world, ADA, message_id) for message_id in foreign}
    for _ in range(_CHECKS):
        world.sql("UPDATE gmail_warmup.mailbox SET notices_due_at = now()")
        act(world, Action.COLLECT)
    counted = sum(bool(row.notice_ids) for row in ledger(world))
    return counted + sum(labels(world, ADA, message_id) != found for message_id, found in before.items())


def _deliver(world: World, case: Case) -> str:
    sender, _, rest = case.raw.decode().partition("\r\n")
    address = sender.partition("<")[2].rstrip(">") or sender.removeprefix("From: ")
    return str(world.sandbox.deliver(ADA, sender=address, raw=rest).message_id)

"""Google's sending limit: mail of the person counts too; a mail-sending 429 ends the day and halves the next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from gmail_warmup.core.enums import CONSUMER_DOMAINS, Action
from gmail_warmup.core.errors import MayNotSendError
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.errors import SendingLimitError
from gmail_warmup.warmup.actions.sending_limit import get_daily_limit
from gmail_warmup.warmup.planning.daily_plan import SendingHistory, compute_todays_volume
from support.mail_kit import ADA, POOL, act, due, everybody, past, use
from support.workers import hook
from support.world import World


def sends_by_hand(world: World, mails: int, address: str = ADA) -> None:
    """Send some mails as the person who uses the mailbox."""
    for number in range(mails):
        gmail = hook(world, address)
        gmail.send_draft(gmail.create_draft(raw(address, number)).id)


def raw(address: str, number: int) -> str:
    import base64

    text = f"From: {address}\r\nTo: {POOL[0]}\r\nSubject: By hand {number}\r\n\r\nHello\r\n"
    return base64.urlsafe_b64encode(text.encode()).decode()


def lists(world: World, address: str = ADA) -> int:
    """Return the number of requests for a list of messages."""
    return sum(call.method.endswith("messages.list") for call in world.sandbox.calls(address))


def test_the_limit_follows_the_kind_of_account(warm: World):
    assert get_daily_limit(warm.mailbox(ADA), Settings()) == 2000
    new = Settings(new_workspace_domains=" Warm.example, other.example ")
    assert get_daily_limit(warm.mailbox(ADA), new) == 500
    assert get_daily_limit(warm.mailbox(POOL[0]), new) == 2000
    assert get_daily_limit(warm.mailbox(ADA), new.model_copy(update={"workspace_daily_limit": 100})) == 100
    consumer = f"ada@{CONSUMER_DOMAINS[0]}"
    warm.sql("UPDATE gmail_warmup.mailbox SET address = :to WHERE address = :a", a=ADA, to=consumer)
    assert get_daily_limit(warm.mailbox(consumer), Settings()) == 500


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("workspace_daily_limit", 2001),
        ("new_workspace_daily_limit", 2001),
        ("consumer_daily_limit", 501),
        ("new_workspace_domains", "warm.example; other.example"),
        ("new_workspace_domains", "ada@warm.example"),
        ("new_workspace_domains", "localhost"),
    ],
)
def test_a_limit_above_googles_or_a_wrong_domain_is_refused(option: str, value: int | str):
    with pytest.raises(ValidationError, match=option):
        Settings.model_validate({option: value})


def test_what_a_person_sent_is_part_of_the_limit(warm: World):
    use(warm, workspace_daily_limit=7)
    sends_by_hand(warm, 4)
    with pytest.raises(MayNotSendError, match="has sent about as much in 24 hours as Google allows"):
        act(warm, Action.SEND)
    assert warm.rows("SELECT sent, planned, reduction_reason FROM gmail_warmup.mailbox_day") == [(3, 6, "own_limit")]
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}
    mailbox = warm.mailbox(ADA)
    assert mailbox.deferred_reason == "own_limit"
    assert mailbox.deferred_until - warm.rows("SELECT now()")[0][0] < timedelta(hours=1)


def test_it_goes_on_when_there_is_room_again(warm: World):
    use(warm, workspace_daily_limit=7)
    sends_by_hand(warm, 7)
    with pytest.raises(MayNotSendError):
        act(warm, Action.SEND)
    warm.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now(), sent_24h_at = now() - interval '2 hours'")
    use(warm, workspace_daily_limit=100)
    assert due(warm, Action.SEND) == [ADA]
    assert act(warm, Action.SEND) == {"sent": 6}


def test_gmail_is_asked_once_an_hour_at_most_and_rarely_far_from_the_limit(warm: World):
    def asked(hours: float) -> int:
        before = lists(warm)
        warm.sql("UPDATE gmail_warmup.mailbox SET sent_24h_at = now() - make_interval(secs => 3600 * :h)", h=hours)
        act(warm, Action.SEND)
        return lists(warm) - before

    act(warm, Action.SEND)
    assert lists(warm) == 1
    warm.sql("UPDATE gmail_warmup.ledger SET sent_at = sent_at - interval '20 hours'")  # only Gmail's count matters
    assert [asked(hours) for hours in (0.9, 5.9, 6.1)] == [0, 0, 1]
    use(warm, workspace_daily_limit=12)  # six are half of it
    assert [asked(hours) for hours in (0.9, 1.1)] == [0, 1]


def test_answers_keep_to_the_limit_as_well(warm: World):
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    use(warm, workspace_daily_limit=3)
    (answering,) = {row[0] for row in warm.rows(
        "SELECT address FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = recipient_id"
        " WHERE reply_due_at IS NOT NULL ORDER BY l.id LIMIT 1"
    )}  # fmt: skip
    sends_by_hand(warm, 3, address=answering)
    with pytest.raises(MayNotSendError, match=answering):
        act(warm, Action.REPLY, answering)
    assert due(warm, Action.REPLY).count(answering) == 0


def test_the_mail_sending_429_costs_the_day_and_half_of_the_next(warm: World):
    warm.sandbox.add_fault("gmail.users.drafts.send", name="gmail.mail_sending_429", address=ADA)
    with pytest.raises(SendingLimitError):
        act(warm, Action.SEND)
    warm.sandbox.clear_faults()
    mailbox = warm.mailbox(ADA)
    now = warm.rows("SELECT now()")[0][0]
    assert mailbox.deferred_until > now
    assert mailbox.deferred_until.time().hour == 0
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}
    tomorrow = compute_todays_volume(mailbox, SendingHistory(), now=now + timedelta(days=1), settings=warm.settings)
    assert (tomorrow.planned, tomorrow.reduction_reason) == (3, "halved")
    later = compute_todays_volume(mailbox, SendingHistory(), now=now + timedelta(days=2), settings=warm.settings)
    assert later.planned == 6

    past(warm, days=1)
    warm.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now(), half_volume_on = half_volume_on - 1, "
    "created_at = "
             "created_at - interval '2 days'")  # fmt: skip
    assert act(warm, Action.SEND) == {"sent": 3, "withdrawn": 1}
    assert warm.rows("SELECT ramp, planned, reduction_reason FROM gmail_warmup.mailbox_day ORDER BY "
    "local_date")[-1] == (
        6, 3, "halved",
    )  # fmt: skip

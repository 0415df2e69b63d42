"""The daily volume is enforced by the database, whatever the code does and however many processes run it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import VolumeReachedError
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from support.mail_kit import ADA, AT_ONCE, POOL, act, use
from support.rush import claim_all, insert_blindly, rush
from support.world import World

DAY = date(2026, 11, 25)


def url(world: World) -> str:
    return world.store.engine.url.render_as_string(hide_password=False)


def open_day(world: World, planned: int, ramp: int = 9, **changes: Any) -> int:
    with world.store.engine.begin() as connection:
        chosen = {"local_date": DAY, "reduction_reason": None} | changes
        return daily_counters.fix_daily_volume(connection, world.mailbox(ADA).id, ramp=ramp, planned=planned, **chosen)


def claim(world: World, slot: int, local_date: date = DAY) -> None:
    ada, pia = world.mailbox(ADA), world.mailbox(POOL[0])
    with world.store.engine.begin() as connection:
        ledger.claim_entry(
            connection, token=ledger.generate_token(), sender_id=ada.id, recipient_id=pia.id, local_date=local_date,
            slot=slot, due_at=datetime.now(UTC), subject="Notes",
        )  # fmt: skip


def day(world: World) -> tuple[Any, ...]:
    (row,) = world.rows("SELECT ramp, planned, claimed, reduction_reason FROM gmail_warmup.mailbox_day")
    return tuple(row)


def test_a_claim_beyond_the_volume_cannot_be_inserted(warm: World):
    open_day(warm, 2)
    claim(warm, 0)
    claim(warm, 1)
    with pytest.raises(VolumeReachedError, match=str(DAY)):
        claim(warm, 2)
    assert day(warm) == (9, 2, 2, None)
    with pytest.raises(sa.exc.IntegrityError, match="mailbox_day"):
        warm.sql(
            "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, subject)"
            " SELECT 'x', sender_id, recipient_id, local_date, 7, now(), '' FROM gmail_warmup.ledger LIMIT 1"
        )
    assert warm.rows("SELECT count(*) FROM gmail_warmup.ledger") == [(2,)]


def test_a_day_without_a_volume_takes_no_claim(warm: World):
    with pytest.raises(VolumeReachedError):
        claim(warm, 0)
    open_day(warm, 0, reduction_reason="spam_mostly")
    with pytest.raises(VolumeReachedError):
        claim(warm, 0)


def test_the_volume_can_only_be_lowered_and_not_below_what_is_claimed(warm: World):
    assert open_day(warm, 5) == 5
    assert open_day(warm, 9) == 5
    claim(warm, 0)
    claim(warm, 1)
    assert open_day(warm, 3, reduction_reason="spam_much") == 3
    assert open_day(warm, 0, reduction_reason="spam_too_much") == 2
    assert day(warm) == (9, 2, 2, "spam_too_much")
    with pytest.raises(sa.exc.IntegrityError):
        warm.sql("UPDATE gmail_warmup.mailbox_day SET planned = 1")


def test_processes_that_insert_blindly_stop_at_the_volume(warm: World):
    today = warm.rows("SELECT (now() AT TIME ZONE 'UTC')::date")[0][0]
    open_day(warm, 7, local_date=today)
    ada, pia = warm.mailbox(ADA).id, warm.mailbox(POOL[0]).id
    counted = rush(insert_blindly, [(url(warm), ada, pia, range(start, 40, 4)) for start in range(4)])
    assert counted["claimed"] == 7
    assert counted["refused"] == 33
    assert warm.rows("SELECT count(*) FROM gmail_warmup.ledger") == [(7,)]


def test_processes_that_claim_at_once_share_volume_and_caps(warm: World):
    """Six processes, four senders, two pool mailboxes that may receive 12 each: exactly 24 mails."""
    others = [f"box{number}@warm.example" for number in range(3)]
    for address in others:
        warm.add(address, kind="warmup", expired=False)
    settings = AT_ONCE.model_copy(update={"pool_daily_cap": 12, "ramp_start": 8})
    senders = [ADA, *others]
    jobs = [(url(warm), senders[number % 4 :] + senders[: number % 4], settings) for number in range(6)]
    counted = rush(claim_all, jobs)
    received = dict(
        warm.rows(
            "SELECT address, count(*) FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = recipient_id"
            " GROUP BY address"
        )
    )
    assert received == dict.fromkeys(POOL, 12)
    assert sum(counted[address] for address in senders) == 24
    assert warm.rows("SELECT max(planned), bool_and(claimed <= planned) FROM gmail_warmup.mailbox_day") == [(8, True)]
    assert counted["without_partner"] > 0


def test_a_pool_too_small_is_said_where_the_page_can_show_it(warm: World, caplog: pytest.LogCaptureFixture):
    use(warm, pool_daily_cap=2)
    assert act(warm, Action.SEND) == {"sent": 4, "without_partner": 1}
    assert warm.rows("SELECT ramp, planned, sent, reduction_reason FROM gmail_warmup.mailbox_day") == [
        (6, 6, 4, "pool_too_small")
    ]
    assert "No pool mailbox may receive more from this mailbox now" in caplog.text
    assert "pool_daily_cap" in caplog.text
    use(warm, pool_daily_cap=9)
    assert act(warm, Action.SEND) == {"sent": 2}


def test_a_higher_target_counts_from_the_next_day(warm: World):
    use(warm, ramp_start=3)
    assert act(warm, Action.SEND) == {"sent": 3}
    use(warm, ramp_start=30)
    assert act(warm, Action.SEND) == {}

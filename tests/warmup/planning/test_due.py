"""Finding due mailboxes: hints, order, limits, and a dry run that changes no row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.warmup.planning import due as due_module
from gmail_warmup.warmup.planning import due_senders, next_send
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from gmail_warmup.warmup.planning.eligibility import find_send_blocker, load_blockers
from support.mail_kit import ADA, AT_ONCE, act, due, everybody, get_noon_zone, past, use
from support.workers import hook
from support.world import World

BEN, CLEO = "ben@warm.example", "cleo@warm.example"
SPREAD = AT_ONCE.model_copy(update={"delay_scale": 1.0, "min_gap": 240, "run_interval": 600, "ramp_start": 40})
"""A day of real length, of which every hour is a sending hour."""


def hint(world: World, address: str = ADA) -> datetime | None:
    ((found,),) = world.rows("SELECT next_send_at FROM gmail_warmup.mailbox WHERE address = :a", a=address)
    return found


def set_hint(world: World, by: str, address: str = ADA) -> None:
    world.sql(
        "UPDATE gmail_warmup.mailbox SET next_send_at = now() + CAST(:by AS interval) WHERE address = :a",
        by=by,
        a=address,
    )


def test_a_look_keeps_a_hint_and_a_claim_moves_it_on(warm: World):
    warm.settings = SPREAD
    assert hint(warm) is None
    due(warm, Action.SEND)
    first = hint(warm)
    assert first is not None
    warm.sql("UPDATE gmail_warmup.mailbox SET created_at = created_at - interval '3 days', next_send_at = NULL")
    if due(warm, Action.SEND):
        assert act(warm, Action.SEND)["sent"] == 1
        assert hint(warm) > datetime.now(first.tzinfo)
    assert due(warm, Action.SEND) == []


def test_a_sender_whose_hint_lies_ahead_costs_no_look(warm: World, monkeypatch: pytest.MonkeyPatch):
    set_hint(warm, "1 hour")
    with warm.store.engine.begin() as connection:
        next_send.clear_outdated_hints(connection, warm.settings)
    set_hint(warm, "1 hour")
    monkeypatch.setattr(due_senders, "load_histories", lambda *_: pytest.fail("no sender has to be planned"))
    assert due(warm, Action.SEND) == []


def test_a_hint_that_is_too_early_costs_a_look_and_no_mail(warm: World):
    assert act(warm, Action.SEND) == {"sent": 6}
    set_hint(warm, "-1 minute")
    assert act(warm, Action.SEND) == {}
    assert hint(warm) > warm.rows("SELECT now()")[0][0]
    assert len(warm.sandbox.mails()) == 6


def test_a_hint_of_another_day_is_made_anew(warm: World):
    assert act(warm, Action.SEND) == {"sent": 6}
    set_hint(warm, "-2 days")
    assert due(warm, Action.SEND) == []
    assert hint(warm) > warm.rows("SELECT now()")[0][0]


def late(world: World) -> None:
    """Set a hint that is far too late."""
    due(world, Action.SEND)
    set_hint(world, "9 days")
    assert due(world, Action.SEND) == []


def pause_and_resume(world: World) -> None:
    with world.store.engine.begin() as connection:
        repository.pause_mailboxes(connection, [ADA], actor="test", reason="holiday")
        repository.resume_mailboxes(connection, [ADA], actor="test")


def other_target(world: World) -> None:
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, ADA, MailboxSettings(kind="warmup", daily_target=9), actor="test")


def other_settings(world: World) -> None:
    use(world, ramp_start=7)


@pytest.mark.parametrize("change", [pause_and_resume, other_target, other_settings])
def test_what_changes_a_plan_forgets_the_hint(warm: World, change: Any):
    late(warm)
    change(warm)
    assert due(warm, Action.SEND) == [ADA]


def test_settings_that_change_no_plan_leave_the_hints(warm: World):
    late(warm)
    use(warm, rescue_rate=7)
    assert due(warm, Action.SEND) == []


def test_a_dry_run_changes_no_row(warm: World):
    before = warm.rows("SELECT m.*, m.xmin FROM gmail_warmup.mailbox m ORDER BY id")
    with warm.store.engine.begin() as connection:
        assert find_due_mailboxes(connection, Action.SEND, warm.settings, remember=False) == [ADA]
    assert warm.rows("SELECT m.*, m.xmin FROM gmail_warmup.mailbox m ORDER BY id") == before
    assert warm.rows("SELECT count(*) FROM gmail_warmup.plan_basis") == [(0,)]
    assert warm.sandbox.mails() == []


def test_those_that_waited_longest_come_first_and_a_limit_holds(warm: World):
    for minutes, address in enumerate((CLEO, BEN)):
        warm.add(address, kind="warmup", expired=False)
        warm.sql(
            "UPDATE gmail_warmup.mailbox SET created_at = now() - make_interval(mins => :ago) WHERE address = :a",
            ago=20 - minutes,
            a=address,
        )
    warm.sql("UPDATE gmail_warmup.mailbox SET timezone = :zone", zone=get_noon_zone())
    for _ in range(2):  # without hints, and with them
        assert due(warm, Action.SEND) == [CLEO, BEN, ADA]
        with warm.store.engine.begin() as connection:
            assert find_due_mailboxes(connection, Action.SEND, warm.settings, limit=2) == [CLEO, BEN]


def test_many_senders_without_a_hint_take_several_runs_and_nobody_is_left_out(
    warm: World, monkeypatch: pytest.MonkeyPatch
):
    for number in range(5):
        warm.add(f"box{number}@warm.example", kind="warmup", expired=False)
    monkeypatch.setattr(due_senders, "BATCH_SIZE", 2)
    monkeypatch.setattr(due_senders, "PLANNING_TIME_LIMIT", 0.0)
    seen: set[str] = set()
    looks = 0
    while warm.rows("SELECT count(*) FROM gmail_warmup.mailbox WHERE kind = 'warmup' AND next_send_at IS NULL") != [
        (0,)
    ]:
        seen |= set(due(warm, Action.SEND))
        looks += 1
    monkeypatch.undo()
    assert looks >= 3
    assert set(due(warm, Action.SEND)) == {ADA, *(f"box{number}@warm.example" for number in range(5))} >= seen


def test_recipients_are_found_by_who_waits_longest_and_past_those_that_cannot_work(
    warm: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(due_module, "BATCH_SIZE", 1)
    act(warm, Action.SEND)
    oldest, other = warm.rows(
        "SELECT address FROM gmail_warmup.mailbox m JOIN gmail_warmup.ledger l ON l.recipient_id = m.id"
        " GROUP BY address ORDER BY min(locate_due_at)"
    )
    assert due(warm, Action.RESCUE) == [oldest[0], other[0]]
    with warm.store.engine.begin() as connection:
        repository.pause_mailboxes(connection, [oldest[0]], actor="test", reason="holiday")
        assert find_due_mailboxes(connection, Action.RESCUE, warm.settings, limit=1) == [other[0]]


def test_who_may_not_send_is_not_asked_to_reply_either(warm: World):
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    assert due(warm, Action.REPLY)
    warm.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now() + interval '1 hour'")
    assert due(warm, Action.REPLY) == []
    assert everybody(warm, Action.REPLY) == {}


def test_a_begun_mail_is_finished_in_the_hours_of_its_day_only(warm: World):
    """Outside the sending window it waits; on a later day it is withdrawn, since it would exceed that day's volume."""
    act(warm, Action.SEND)
    warm.sql("UPDATE gmail_warmup.ledger SET status = 'claimed', draft_id = NULL WHERE id = 1")
    warm.sql("UPDATE gmail_warmup.mailbox_day SET sent = sent - 1")
    night = Settings(**(AT_ONCE.model_dump() | {"sending_window": quiet_window(warm)}))
    warm.settings, usual = night, warm.settings
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}
    past(warm, days=1)
    assert due(warm, Action.SEND) == [ADA]
    assert act(warm, Action.SEND) == {"withdrawn": 1}
    assert warm.rows("SELECT status, failure FROM gmail_warmup.ledger WHERE id = 1") == [("failed", "day_over")]
    warm.settings = usual
    assert len(warm.sandbox.mails()) == 6


def quiet_window(world: World) -> str:
    """Return a sending window that does not include the current hour."""
    ((hour,),) = world.rows("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int")
    return "00:00-01:00" if hour > 1 else "22:00-23:00"


def test_a_mail_that_was_sent_is_recorded_also_at_night(warm: World):
    act(warm, Action.SEND)
    warm.sql("UPDATE gmail_warmup.ledger SET status = 'drafted', sent_at = NULL WHERE id = 1")
    warm.sql("UPDATE gmail_warmup.mailbox_day SET sent = sent - 1")
    use(warm, sending_window=quiet_window(warm))
    assert act(warm, Action.SEND) == {"sent": 1}
    assert warm.rows("SELECT status FROM gmail_warmup.ledger WHERE id = 1") == [("sent",)]
    assert len(warm.sandbox.mails()) == 6


def test_a_withdrawn_mail_leaves_no_draft_behind(warm: World):
    warm.sandbox.add_fault("gmail.users.drafts.send", close=True, times=1, when="before")
    with pytest.raises(Exception, match=ADA):
        act(warm, Action.SEND)
    assert len(drafts(warm)) == 1
    past(warm, days=1)
    use(warm, sending_window=quiet_window(warm))
    assert act(warm, Action.SEND) == {"withdrawn": 1}
    assert drafts(warm) == []


def drafts(world: World) -> list[Any]:
    return hook(world, ADA).search_messages("in:draft", limit=10)


def test_a_closed_domain_has_nothing_due_and_says_why(warm: World):
    warm.sql(
        "INSERT INTO gmail_warmup.domain_check (domain, record, result, code, bad_code, bad_since, bad_seen_at,"
        " checked_at) VALUES ('warm.example', 'spf', 'bad', 'spf_missing', 'spf_missing', now() - interval '4 days',"
        " now(), now())"
    )
    assert due(warm, Action.SEND) == []
    with warm.store.engine.begin() as connection:
        obstacle = find_send_blocker(warm.mailbox(ADA), load_blockers(connection))
    assert obstacle is not None
    assert (obstacle.code, "warm.example" in obstacle.message, bool(obstacle.remedy)) == ("spf_missing", True, True)
    assert act(warm, Action.SEND) == {}
    assert warm.sandbox.mails() == []
    assert due(warm, Action.RESCUE) == []

"""The health monitor: from placements at Google to bands, pauses, a fresh sample, alerts and a person's release."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.alerts import health_alerts
from gmail_warmup.alerts.compose import compose_alerts as compose_grants
from gmail_warmup.alerts.compose import read_alerts
from gmail_warmup.core.enums import Action
from gmail_warmup.core.enums import HealthBand as Band
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.planning.eligibility import find_send_blocker, load_blockers
from support.days import move_days
from support.mail_kit import ADA, act, due, everybody, use
from support.world import World


def band(world: World) -> tuple[Band, str | None]:
    mailbox = world.mailbox(ADA)
    return mailbox.band, mailbox.band_reason


def events(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT from_band, to_band, reason FROM gmail_warmup.health_event ORDER BY id")


def another_day(world: World, days: int = 1) -> None:
    """Shift everything that is stored some days into the past."""
    move_days(world, "mailbox_day", "ledger", days=days)
    shift = {"days": days}
    world.sql(
        "UPDATE gmail_warmup.ledger SET claimed_at = claimed_at - make_interval(days => :days),"
        " sent_at = sent_at - make_interval(days => :days)",
        **shift,
    )
    world.sql(
        "UPDATE gmail_warmup.mailbox SET band_since = band_since - make_interval(days => :days),"
        " health_window_start = health_window_start - CAST(:days AS int), created_at = created_at - "
        "make_interval(days => :days),"
        " sent_24h_at = sent_24h_at - make_interval(days => :days)",
        **shift,
    )


def live(world: World, *, spam: float) -> int:
    """Let a day pass in which everything is sent and placed; return the number of mails."""
    world.sandbox.set(spam_chance=spam)
    sent = act(world, Action.SEND).get("sent", 0)
    everybody(world, Action.RESCUE)
    another_day(world)
    return sent


@pytest.fixture
def steady(warm: World) -> World:
    """Return a world in which Ada sends ten mails a day."""
    use(warm, ramp_start=10, ramp_step=0, rescue_rate=0)
    warm.sandbox.set(units=False)
    return warm


def test_spam_slows_then_pauses_and_a_fresh_sample_brings_it_back_in_steps(steady: World):
    assert [live(steady, spam=0) for _ in range(2)] == [10, 10]
    assert band(steady) == (Band.HEALTHY, None)
    assert live(steady, spam=1) == 10
    assert band(steady)[0] is Band.THROTTLED
    assert live(steady, spam=0.5) <= 7
    assert band(steady)[0] in (Band.PAUSED, Band.BLOCKED)
    steady.sql("UPDATE gmail_warmup.mailbox SET band = 'paused', band_reason = 'spam_too_much'")
    assert [live(steady, spam=0) for _ in range(2)] == [0, 0]
    assert [live(steady, spam=0) for _ in range(4)] == [5, 5, 5, 5], "twenty mails, and the old spam does not count"
    assert band(steady) == (Band.THROTTLED, "requalified")
    assert [live(steady, spam=0) for _ in range(5)] == [5, 7, 7, 10, 10]
    assert band(steady) == (Band.HEALTHY, None)


def test_a_pause_by_health_is_told_apart_and_explained(steady: World):
    for _ in range(2):
        live(steady, spam=0)
    live(steady, spam=1)
    steady.sql("UPDATE gmail_warmup.mailbox SET band_since = band_since - interval '1 day'")
    live(steady, spam=1)
    mailbox = steady.mailbox(ADA)
    assert mailbox.paused_at is None
    with steady.store.engine.begin() as connection:
        obstacle = find_send_blocker(mailbox, load_blockers(connection))
    assert obstacle is not None
    assert obstacle.code in ("spam_too_much", "spam_mostly")
    assert ADA in obstacle.message
    assert "SPF, DKIM and DMARC" in obstacle.remedy
    assert due(steady, Action.SEND) == []
    assert act(steady, Action.SEND) == {}


def test_nothing_is_judged_below_the_floor(steady: World):
    assert live(steady, spam=1) == 10
    assert band(steady) == (Band.HEALTHY, None)
    assert events(steady) == []


def test_old_days_leave_the_window(steady: World):
    for _ in range(2):
        live(steady, spam=1)
    assert band(steady)[0] is Band.BLOCKED
    steady.sql("UPDATE gmail_warmup.mailbox SET band = 'throttled', band_reason = 'spam_much'")
    another_day(steady, 7)
    assert [live(steady, spam=0) for _ in range(3)] == [5, 5, 5]
    assert band(steady)[0] is Band.THROTTLED, "fifteen new mails are no sample yet"
    live(steady, spam=0)
    assert band(steady) == (Band.HEALTHY, None)


def test_a_blocked_mailbox_waits_for_a_person_who_lets_it_send_a_fresh_sample(steady: World):
    for _ in range(2):
        live(steady, spam=1)
    assert band(steady) == (Band.BLOCKED, "spam_mostly")
    assert [live(steady, spam=0) for _ in range(5)] == [0] * 5
    with steady.store.engine.begin() as connection:
        assert monitor.requalify_mailboxes(connection, [ADA], actor="cli:eva") == 1
        assert monitor.requalify_mailboxes(connection, [ADA], actor="cli:eva") == 0
    assert events(steady)[-1] == ("blocked", "paused", "released")
    assert [live(steady, spam=0) for _ in range(4)] == [5, 5, 5, 5]
    assert band(steady) == (Band.THROTTLED, "requalified")


def test_a_fresh_sample_that_is_bad_rests_again(steady: World):
    steady.sql(
        "UPDATE gmail_warmup.mailbox SET band = 'paused', band_reason = 'spam_too_much', band_since = now(),"
        " health_window_start = (now() AT TIME ZONE 'UTC')::date WHERE kind = 'warmup'"
    )
    assert [live(steady, spam=0.6) for _ in range(4)] == [5, 5, 5, 5]
    assert band(steady)[0] is Band.PAUSED
    assert live(steady, spam=0) == 0
    with steady.store.engine.begin() as connection:
        changes = monitor.list_band_changes(connection, steady.mailbox(ADA).id)
    assert [(row.from_band, row.to_band, row.placed) for row in changes] == [("paused", "paused", 20)]


def test_the_operator_is_told_once_in_one_message(steady: World):
    others = [f"box{number}@warm.example" for number in range(2)]
    for address in others:
        steady.add(address, kind="warmup", expired=False)
    assert health_alerts.compose_health_alert(steady.store.engine) == []
    spoil(steady)
    (alert_id,) = health_alerts.compose_health_alert(steady.store.engine)
    assert compose_grants(steady.store.engine) == []
    (alert,) = read_alerts(steady.store.engine, [alert_id])
    assert alert.is_problem
    assert alert.title == "3 warmup mailboxes have deliverability problems"
    for part in (ADA, *others, "40 %", "it is stopped", "To do: ", "requalify"):
        assert part in alert.body
    assert health_alerts.compose_health_alert(steady.store.engine) == []
    with steady.store.engine.begin() as connection:
        monitor.requalify_mailboxes(connection, [ADA], actor="cli:eva")
    assert health_alerts.compose_health_alert(steady.store.engine) == [], "changes by a person raise no alert"


def spoil(world: World) -> None:
    """Record twenty mails of every sender in spam today, and update their health."""
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, claimed, sent, spam)"
        " SELECT id, (now() AT TIME ZONE 'UTC')::date, 20, 20, 20, 20 FROM gmail_warmup.mailbox WHERE kind = 'warmup'"
    )
    with world.store.engine.begin() as connection:
        for (mailbox_id,) in world.rows("SELECT id FROM gmail_warmup.mailbox WHERE kind = 'warmup'"):
            monitor.update_health_band(connection, mailbox_id)


def test_watch_is_no_news(steady: World):
    steady.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, claimed, sent, inbox, spam)"
        " SELECT id, (now() AT TIME ZONE 'UTC')::date, 20, 20, 20, 18, 2 FROM gmail_warmup.mailbox"
        " WHERE kind = 'warmup'"
    )
    with steady.store.engine.begin() as connection:
        assert monitor.update_health_band(connection, steady.mailbox(ADA).id).band is Band.WATCH
    assert events(steady) == [("healthy", "watch", "spam_some")]
    assert health_alerts.compose_health_alert(steady.store.engine) == []

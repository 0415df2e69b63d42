"""The metrics: named once, counted where it happens, and never in the way of what they count."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmail_warmup.airflow import audit_runner, gauges, stats_meter
from gmail_warmup.core import metrics
from gmail_warmup.core.enums import Action, Placement
from gmail_warmup.core.metrics import METRICS, MailEvent
from gmail_warmup.gmail.errors import SendingLimitError
from gmail_warmup.oauth.errors import GrantError
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.planning import kill_switch
from support.mail_kit import ADA, AT_ONCE, POOL, due, use
from support.metrics_kit import KeptMeter, collecting, listening
from support.workers import hook, services
from support.world import World

PACKAGE = Path(metrics.__file__).parents[1]
SERIES = [metric.series_name(part) for metric in METRICS for part in (metric.label_values or ("",))]


@pytest.fixture
def meter() -> KeptMeter:
    return KeptMeter()


def test_every_series_has_a_name_of_its_own_that_every_receiver_takes():
    assert len(set(SERIES)) == len(SERIES)
    assert [name for name in SERIES if not re.fullmatch(r"gmail_warmup(\.[a-z_]+)+", name)] == []
    assert len({metric.prometheus_name for metric in METRICS}) == len(METRICS)


def test_a_series_that_the_table_lacks_has_no_name():
    with pytest.raises(ValueError, match="'sold' is not a label value of the metric mail"):
        metrics.MAIL.series_name("sold")
    with pytest.raises(ValueError, match="'' is not a label value of the metric mail"):
        metrics.MAIL.series_name()


def test_whatever_an_action_counts_is_a_metric():
    text = "\n".join(path.read_text() for path in (PACKAGE / "warmup" / "actions").glob("*.py"))
    assert set(re.findall(r"\bMailEvent\.([A-Z_]+)", text)) == {event.name for event in MailEvent}


@pytest.mark.parametrize(
    ("fault", "cause", "answer"),
    [
        (None, None, "ok"),
        ("token.server_error", None, "transient"),
        ("token.invalid_client", None, "app"),
        (None, "revoked", "account"),
    ],
)
def test_a_refresh_is_counted_by_what_its_answer_means(
    world: World, meter: KeptMeter, fault: str | None, cause: str | None, answer: str
):
    world.add(ADA)
    if fault:
        world.sandbox.add_fault("token", name=fault)
    if cause:
        world.sandbox.revoke_grants(ADA, cause=cause)
    try:
        world.tokens(meter=meter).get_token(ADA)
    except GrantError:
        pass
    assert meter.counts == {f"gmail_warmup.refresh.{answer}": 1}
    (seconds,) = meter.times["gmail_warmup.refresh_time"]
    assert seconds > 0


def test_a_stored_token_and_a_flagged_grant_are_no_refreshes(world: World, meter: KeptMeter):
    world.add(ADA, expired=False)
    world.add(POOL[0])
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_token = NULL WHERE mailbox_id = 2")
    world.tokens(meter=meter).get_token(ADA)
    with pytest.raises(GrantError):
        world.tokens(meter=meter).get_token(POOL[0])
    assert meter.counts == {}


def test_an_audit_counts_every_answer(world: World, meter: KeptMeter):
    ids = [world.add(f"m{number}@pool.example") for number in range(5)]
    world.sandbox.revoke_grants("m0@pool.example", cause="revoked")
    made = services(world)
    made.__dict__["meter"] = meter
    audit_runner.run_audit_pass(made, ids, actor=world.actor, force=True)
    assert meter.counts == {"gmail_warmup.refresh.ok": 4, "gmail_warmup.refresh.account": 1}
    assert len(meter.times["gmail_warmup.refresh_time"]) == 5


def run(world: World, meter: KeptMeter, action: Action, address: str) -> None:
    run_action(
        action,
        world.mailbox(address),
        engine=world.store.engine,
        settings=world.settings,
        gmail=hook(world, address),
        meter=meter,
    )


@pytest.fixture
def warm(world: World) -> World:
    """A sender whose whole day is due, and two who receive."""
    use(world, **AT_ONCE.model_dump())
    world.add(ADA, kind="warmup", expired=False, open_rate=100, reply_rate=100)
    for address in POOL:
        world.add(address, expired=False)
    return world


def flag(world: World, mailbox_id: int) -> None:
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'scope_missing' WHERE mailbox_id = :id",
        id=mailbox_id,
    )


def test_mails_are_counted_as_google_saw_them(warm: World, meter: KeptMeter):
    warm.sandbox.set(spam_chance=0.5)
    run(warm, meter, Action.SEND, ADA)
    for action in (Action.RESCUE, Action.READ, Action.REPLY):
        for address in POOL:
            run(warm, meter, action, address)
    mails = [mail for mail in warm.sandbox.mails() if "in-reply-to" not in mail.headers]
    in_spam = sum(copy.placement == "SPAM" for mail in mails for copy in mail.copies if copy.mailbox in mail.to)
    mail = {name.rpartition(".")[2]: count for name, count in meter.counts.items() if ".mail." in name}
    placed = {name.rpartition(".")[2]: count for name, count in meter.counts.items() if ".placement." in name}
    assert mail["sent"] == len(mails) == 6
    assert placed == {name: n for name, n in (("inbox", 6 - in_spam), ("spam", in_spam)) if n}
    assert mail.get("rescued", 0) == in_spam
    assert mail["replied"] == len(warm.sandbox.mails()) - len(mails)
    assert meter.counts["gmail_warmup.done.send"] == 1
    assert meter.counts["gmail_warmup.done.read"] == 2


def test_what_was_done_before_a_failure_is_counted_and_the_action_is_not(warm: World, meter: KeptMeter):
    warm.sandbox.put_mailbox(ADA, sending_limit=2)
    with pytest.raises(SendingLimitError):
        run(warm, meter, Action.SEND, ADA)
    assert meter.counts["gmail_warmup.mail.sent"] == 2
    assert "gmail_warmup.done.send" not in meter.counts


def test_a_missing_mail_is_a_placement_too(meter: KeptMeter):
    metrics.count_mails(meter, {MailEvent.MISSING: 2}, {Placement.SPAM: 1})
    assert meter.counts == {
        "gmail_warmup.mail.missing": 2, "gmail_warmup.placement.missing": 2, "gmail_warmup.placement.spam": 1
    }  # fmt: skip


def test_a_plan_says_what_it_took_what_it_left_and_how_long_the_oldest_waits(warm: World, meter: KeptMeter):
    run(warm, meter, Action.SEND, ADA)
    warm.sql("UPDATE gmail_warmup.ledger SET locate_due_at = now() - interval '90 s' WHERE id = 1")
    warm.add("flagged@pool.example")
    flag(warm, 4)
    assert len(due(warm, Action.RESCUE)) == 2
    gauges.send_plan_gauges(warm.store.engine, meter, Action.RESCUE, taken=1)
    gauges.send_plan_gauges(warm.store.engine, meter, Action.REPLY, taken=0)
    assert meter.gauges["gmail_warmup.run_at"] == pytest.approx(time.time(), abs=30)
    assert meter.gauges["gmail_warmup.due.rescue"] == 1
    assert meter.gauges["gmail_warmup.backlog.rescue"] == 1
    assert 89 <= meter.gauges["gmail_warmup.oldest_due.rescue"] < 200
    assert meter.gauges["gmail_warmup.backlog.reply"] == meter.gauges["gmail_warmup.oldest_due.reply"] == 0


def test_a_sender_waits_from_the_slot_that_the_plan_found(warm: World, meter: KeptMeter):
    assert due(warm, Action.SEND) == [ADA]
    gauges.send_plan_gauges(warm.store.engine, meter, Action.SEND, taken=1)
    assert meter.gauges["gmail_warmup.backlog.send"] == 0
    gauges.send_plan_gauges(warm.store.engine, meter, Action.SEND, taken=0)
    assert meter.gauges["gmail_warmup.backlog.send"] == 1
    slot = warm.rows("SELECT extract(epoch FROM now() - next_send_at) FROM gmail_warmup.mailbox WHERE id = 1")[0][0]
    assert abs(float(slot) - meter.gauges["gmail_warmup.oldest_due.send"]) < 60


def test_how_everything_stands_is_sent_with_its_zeros(warm: World, meter: KeptMeter):
    flag(warm, 3)
    warm.sql("UPDATE gmail_warmup.mailbox SET band = 'paused' WHERE id = 1")
    warm.sql("INSERT INTO gmail_warmup.breaker (client_id, opened_at) VALUES ('a', now()), ('b', NULL)")
    warm.sql("INSERT INTO gmail_warmup.incident (kind, key, reason, detail) VALUES ('outage', '', 'unreachable', '{}')")
    warm.sql(
        "INSERT INTO gmail_warmup.audit (run_id, actor, healthy, started_at, finished_at, report)"
        " VALUES ('r', 'test', 0, now() - interval '120 s', now() - interval '60 s', '{}')"
    )
    warm.sql("UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() + interval '2 days' WHERE mailbox_id = 2")
    with warm.store.engine.begin() as connection:
        kill_switch.begin_halt(connection, by="test", reason="test")
    gauges.send_status_gauges(warm.store.engine, meter, warm.settings)
    found = {name.removeprefix("gmail_warmup."): value for name, value in meter.gauges.items()}
    assert time.time() - found.pop("audited_at") == pytest.approx(60, abs=30)
    assert {name: value for name, value in found.items() if value} == {
        "grants.active": 2, "grants.needs_reauth": 1, "bands.paused": 1, "expiring": 1, "incidents.outage": 1,
        "breakers_open": 1, "halted": 1, "audit_time": 60,
    }  # fmt: skip
    wanted = {
        metric.series_name(part)
        for metric in METRICS
        if metric.name in ("grants", "bands", "incidents")
        for part in metric.label_values
    }
    assert wanted <= meter.gauges.keys()


def test_the_gauges_of_readiness_count_warmup_mailboxes_alone(warm: World, meter: KeptMeter):
    warm.sql(
        "INSERT INTO gmail_warmup.mailbox_readiness (mailbox_id, state, reason, local_date, cold_mails)"
        " SELECT id, 'ready', 'ready', current_date, 6 FROM gmail_warmup.mailbox"
    )
    gauges.send_status_gauges(warm.store.engine, meter, warm.settings)
    assert (meter.gauges["gmail_warmup.readiness.ready"], meter.gauges["gmail_warmup.cold_mails"]) == (1, 6)


def test_nobody_is_asked_while_nobody_listens(world: World):
    engine = sa.create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/nothing")
    gauges.send_status_gauges(engine, metrics.NULL_METER, world.settings)
    gauges.send_plan_gauges(engine, metrics.NULL_METER, Action.SEND, taken=1)


def test_a_database_that_refuses_costs_the_gauges_alone(
    world: World, meter: KeptMeter, caplog: pytest.LogCaptureFixture
):
    engine = sa.create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/nothing")
    gauges.send_status_gauges(engine, meter, world.settings)
    gauges.send_plan_gauges(engine, meter, Action.SEND, taken=1)
    assert meter.gauges == {}
    assert caplog.text.count("No metrics of this run") == 2


def test_airflow_sends_them_to_a_statsd_server(monkeypatch: pytest.MonkeyPatch):
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    with listening() as received:
        for name, value in received.environment.items():
            monkeypatch.setenv(name, value)
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
        try:
            meter = stats_meter.create_meter()
            meter.increment_counter(metrics.REFRESH, "ok", 3)
            meter.set_gauge(metrics.RUN_AT, 1_764_000_000)
            meter.record_duration(metrics.REFRESH_TIME, 0.25)
        finally:
            stats.initialize(factory=stats_utils.NoStatsLogger, export_legacy_names=True)
    assert received.counts == {"gmail_warmup.refresh.ok": 3}
    assert received.gauges == {"gmail_warmup.run_at": 1_764_000_000}
    assert received.times == {"gmail_warmup.refresh_time": [250.0]}


def test_airflow_sends_them_to_opentelemetry(tmp_path: Path):
    code = (
        "from airflow.sdk.observability import stats\n"
        "from airflow.sdk.observability.metrics import stats_utils\n"
        "from gmail_warmup.airflow import stats_meter\n"
        "from gmail_warmup.core import metrics\n"
        "stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)\n"
        "meter = stats_meter.create_meter()\n"
        "meter.increment_counter(metrics.REFRESH, 'ok', 3)\n"
        "meter.set_gauge(metrics.HALTED, 1)\n"
        "meter.record_duration(metrics.REFRESH_TIME, 0.25)\n"
    )
    with collecting() as collector:
        switches = {"otel_on": "True", "otel_host": "127.0.0.1", "otel_port": str(collector.port)}
        environment = {f"AIRFLOW__METRICS__{name.upper()}": value for name, value in switches.items()}
        environment |= os.environ | {"AIRFLOW_HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    for name in ("refresh.ok", "halted", "refresh_time"):
        assert f"airflow.gmail_warmup.{name}".encode() in collector.received


def test_a_receiver_that_fails_fails_no_task_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from airflow.sdk.observability import stats

    def fail(*_: object) -> None:
        raise OSError("no route to host")

    for name in ("incr", "gauge", "timing"):
        monkeypatch.setattr(stats, name, fail)
    meter = stats_meter.AirflowMeter()
    meter.increment_counter(metrics.REFRESH, "ok")
    meter.increment_counter(metrics.REFRESH, "no such part")
    meter.set_gauge(metrics.HALTED, 1)
    meter.record_duration(metrics.REFRESH_TIME, 1)
    assert caplog.text.count("Metrics cannot be sent: OSError: no route to host") == 1


def test_nothing_is_loaded_while_metrics_are_off():
    code = (
        "import sys; from gmail_warmup.airflow.stats_meter import create_meter;"
        "from gmail_warmup.core.metrics import NULL_METER;"
        "assert create_meter() is NULL_METER; print('statsd' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]

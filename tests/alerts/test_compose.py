"""Alerts: what an operator reads, and that it comes once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.airflow.notifier import build_sender
from gmail_warmup.alerts.compose import compose_alerts, write_digest
from gmail_warmup.alerts.outbox import SendCounts, give_up_alerts, send_pending_alerts
from gmail_warmup.alerts.text import GrantChange, render_changes
from gmail_warmup.audit.report import AuditReport
from gmail_warmup.oauth.reasons import REASONS
from support.alert_kit import CONN_ID, NOON, Receiver, Scene, configure, listening

ADA, BOB, EVE = "ada@one.example", "bob@one.example", "eve@two.example"


@pytest.fixture
def scene(database: sa.Engine) -> Scene:
    return Scene(database)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with listening() as found:
        configure(monkeypatch, found.url())
        yield found


def the_alert(scene: Scene) -> sa.Row[Any]:
    (alert,) = scene.alerts()
    return alert


# what is told


def test_one_message_grouped_by_cause_and_domain(scene: Scene):
    scene.down(ADA, BOB, EVE)
    scene.down("tim@two.example", reason="blocked_by_admin", state="blocked_by_admin", at=NOON + timedelta(minutes=3))
    assert len(compose_alerts(scene.engine)) == 1
    alert = the_alert(scene)
    assert (alert.kind, alert.title) == ("changes", "4 Gmail mailboxes need a person")
    assert alert.body == (
        "Detected 2026-03-02 12:00 UTC to 2026-03-02 12:03 UTC.\n"
        "\n"
        "3 mailboxes: Google says that the grant is expired or revoked. Likely: access removed, or the password "
        "changed. [expired_or_revoked]\n"
        "To do: Press Re-authenticate on the page 'Gmail accounts' and sign in with this mailbox.\n"
        "- one.example, 2: ada@one.example, bob@one.example\n"
        "- two.example, 1: eve@two.example\n"
        "\n"
        "1 mailbox: The administrator of the Workspace blocks this app. [blocked_by_admin]\n"
        "To do: Ask the administrator to trust the app in the Admin console, under API controls.\n"
        "- two.example, 1: tim@two.example"
    )


def test_the_same_facts_give_the_same_text(scene: Scene):
    scene.down(EVE, BOB, ADA)
    compose_alerts(scene.engine)
    first = the_alert(scene)
    with scene.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM gmail_warmup.alert_item")
    scene.down(ADA, EVE, BOB)
    compose_alerts(scene.engine)
    second = scene.alerts()[1]
    assert (first.title, first.body) == (second.title, second.body)


@pytest.mark.parametrize(
    ("domain", "minutes", "reason", "guessed"),
    [
        ("one.example", 5, "expired_or_revoked", True),
        ("one.example", 5, "grant_refused_twice", True),
        ("one.example", 6, "expired_or_revoked", False),
        ("one.example", 5, "expired_as_foretold", False),
        ("gmail.com", 5, "expired_or_revoked", False),
    ],
)
def test_a_domain_that_goes_down_together_gets_a_guess(
    scene: Scene, domain: str, minutes: int, reason: str, guessed: bool
):
    for number in range(3):
        scene.down(f"m{number}@{domain}", reason=reason, at=NOON + timedelta(minutes=minutes * number))
    compose_alerts(scene.engine)
    body = the_alert(scene).body
    assert ("forced password reset or an administrator's action (a guess)." in body) is guessed


def test_mailboxes_that_never_worked_here_give_no_guess(scene: Scene):
    scene.down(*(f"m{number}@one.example" for number in range(3)))
    with scene.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = NULL")
    compose_alerts(scene.engine)
    assert "guess" not in the_alert(scene).body


def test_nothing_is_told_twice(scene: Scene):
    scene.down(ADA)
    scene.incident("outage", "unreachable")
    assert len(compose_alerts(scene.engine)) == 2
    assert compose_alerts(scene.engine) == []
    assert len(scene.alerts()) == 2


def test_composers_at_once_make_one_message(scene: Scene):
    scene.down(*(f"m{number}@one.example" for number in range(50)))
    scene.incident("outage", "unreachable")
    assert sorted(map(len, at_once(8, lambda: compose_alerts(scene.engine)))) == [0] * 7 + [2]
    assert [alert.kind for alert in scene.alerts()] == ["incident", "changes"]


def test_down_and_up_before_anybody_heard_of_it_is_no_news(scene: Scene):
    scene.down(ADA)
    scene.up(ADA)
    assert compose_alerts(scene.engine) == []
    assert scene.untold() == 0


def test_a_first_consent_is_no_recovery(scene: Scene):
    scene.up(ADA)
    assert compose_alerts(scene.engine) == []
    assert scene.untold() == 0


def test_a_recovery_is_told_to_who_heard_of_the_fall(scene: Scene):
    scene.down(ADA, BOB)
    compose_alerts(scene.engine)
    scene.up(ADA)
    scene.down(EVE)
    compose_alerts(scene.engine)
    alert = scene.alerts()[1]
    assert alert.title == "1 Gmail mailbox needs a person, 1 recovered"
    assert alert.body.endswith("1 mailbox works again:\n- one.example, 1: ada@one.example")
    scene.up(ADA)  # a second consent: it was up already
    assert compose_alerts(scene.engine) == []
    scene.up(BOB, EVE)
    compose_alerts(scene.engine)
    assert scene.alerts()[2].title == "2 Gmail mailboxes recovered"


@pytest.mark.parametrize(("moves", "title"), [("du", None), ("dud", "1 Gmail mailbox needs a person"), ("dudu", None)])
def test_only_the_last_of_several_moves_is_news(scene: Scene, moves: str, title: str | None):
    for move in moves:
        (scene.down if move == "d" else scene.up)(ADA)
    compose_alerts(scene.engine)
    assert [alert.title for alert in scene.alerts()] == ([title] if title else [])
    assert scene.untold() == 0


def test_who_heard_of_the_fall_hears_how_it_ended(scene: Scene):
    scene.down(ADA)
    compose_alerts(scene.engine)
    scene.up(ADA)
    scene.down(ADA, reason="scope_missing")
    scene.up(ADA)
    compose_alerts(scene.engine)
    assert [alert.title for alert in scene.alerts()][1:] == ["1 Gmail mailbox recovered"]


@pytest.mark.parametrize("domains", [1, 1500])
def test_1500_mailboxes_are_one_message_of_bounded_length(scene: Scene, domains: int):
    scene.down(*(f"mailbox-{number:04}@d{number % domains:04}.example" for number in range(1500)))
    compose_alerts(scene.engine)
    alert = the_alert(scene)
    assert alert.title == "1500 Gmail mailboxes need a person"
    assert len(alert.body) <= 4000
    more = {1: "and 1490 more\n", 1500: "and 1490 more domains with 1490 mailboxes, on the page 'Gmail accounts'"}
    assert more[domains] in alert.body
    assert scene.untold() == 0


def test_a_long_list_of_one_cause_leaves_room_for_the_others(scene: Scene):
    causes = ("expired_or_revoked", "scope_missing", "session_control", "grant_refused_twice")
    for reason in causes:
        scene.down(*(f"{reason}-{number}@{'long-' * 5}{number % 10}.example" for number in range(50)), reason=reason)
    compose_alerts(scene.engine)
    body = the_alert(scene).body
    assert all(f"[{reason}]\n" in body for reason in causes)
    assert "- and 8 more domains with 40 mailboxes, on the page 'Gmail accounts'\n" in body


def test_what_is_too_long_all_the_same_is_cut_after_a_whole_line():
    down = [
        GrantChange(address=f"{'long-' * 10}{number}@{'long-' * 30}{number}.example", at=NOON, reason=reason)
        for reason in REASONS
        for number in range(2)
    ]
    body = render_changes(down, []).body
    assert len(body) <= 4000
    *whole, before, last = body.split("\n")
    assert last == "... truncated; see the page 'Gmail accounts' for all."
    assert {line[-7:] for line in (*whole, before) if line.startswith("- ")} == {"example"}


# incidents


def test_an_incident_is_told_when_it_opens_and_when_it_closes(scene: Scene):
    incident = scene.incident("app_error", "invalid_client", key="client-1.apps.example.com")
    compose_alerts(scene.engine)
    scene.close(incident)
    compose_alerts(scene.engine)
    assert compose_alerts(scene.engine) == []
    opened, closed = scene.alerts()
    assert (opened.kind, opened.title) == ("incident", "Google refuses the OAuth client (client-1.apps.example.com)")
    assert opened.body == (
        "What: Google does not accept the OAuth client's secret. [invalid_client]\n"
        "OAuth client: client-1.apps.example.com\n"
        "Since: 2026-03-02 12:00 UTC\n"
        "\n"
        "Meanwhile: No account is changed; valid access tokens remain in use; requests are retried automatically.\n"
        "To do: Check the Airflow Connection of the OAuth client (gmail_oauth_client unless set otherwise) against "
        "the client in the Google Cloud console."
    )
    assert closed.title == "Over: Google refuses the OAuth client (client-1.apps.example.com)"
    assert closed.body == ("From 2026-03-02 12:00 UTC to 2026-03-02 12:14 UTC, 14 minutes.\n\nNo action needed.")


@pytest.mark.parametrize(
    ("kind", "key", "title"),
    [
        ("app_error", "client-2", "Google refuses the OAuth client (second)"),
        ("app_error", "Gmail API of client-2", "Google refuses the OAuth client (Gmail API of second)"),
        ("app_error", "client-3", "Google refuses the OAuth client (client-3)"),
        ("app_error", "service account of google", "Google refuses the OAuth client (service account of google)"),
        ("outage", "client-2", "Google cannot be reached (second)"),
        ("outage", "", "Google cannot be reached"),
        ("mass_refusal", "client-2", "3 Gmail grants were refused at once (second)"),
        ("mass_refusal", "", "3 Gmail grants were refused at once"),
        ("unauthenticated", "client-2", "Google does not authenticate mail of client-2"),
    ],
)
def test_a_title_names_the_client_by_its_connection(scene: Scene, kind: str, key: str, title: str):
    with scene.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO gmail_warmup.oauth_client (conn_id, client_id) VALUES ('second', 'client-2')"
        )
    scene.incident(kind, "unknown_answer", key=key, mailboxes=3)
    compose_alerts(scene.engine)
    assert the_alert(scene).title == title


def test_an_incident_that_came_and_went_is_one_message(scene: Scene):
    scene.close(scene.incident("outage", "server_error"), after=timedelta(hours=3, minutes=5))
    assert len(compose_alerts(scene.engine)) == 1
    assert compose_alerts(scene.engine) == []
    body = the_alert(scene).body
    assert "Google returned a server error." in body
    assert "It began and ended before this message." in body
    assert "12:00 UTC to 2026-03-02 15:05 UTC, 3 h 05 min" in body


def test_a_mass_refusal_covers_the_mailboxes_held_under_it(scene: Scene):
    incident = scene.incident(
        "mass_refusal",
        "expired_or_revoked",
        mailboxes=3,
        held=3,
        healthy=40,
        domains={"two.example": 1, "one.example": 2},
    )
    compose_alerts(scene.engine)
    opened = the_alert(scene)
    assert opened.title == "3 Gmail grants were refused at once"
    assert "Mailboxes: 3 of 40 that worked before\nDomains: one.example (2), two.example (1)\n" in opened.body
    assert "Re-authenticate" not in opened.body  # no verdict yet, so no consent is asked for
    scene.down(ADA, BOB, incident=incident)
    scene.down(EVE)
    compose_alerts(scene.engine)
    ordinary = scene.alerts()[1]
    assert ordinary.title == "1 Gmail mailbox needs a person"
    assert ADA not in ordinary.body
    assert scene.untold() == 0
    scene.close(incident)
    compose_alerts(scene.engine)
    closed = scene.alerts()[2]
    assert "After the second pass, 2 of 3 mailboxes need a person; the others work." in closed.body
    assert "- one.example, 2: ada@one.example, bob@one.example" in closed.body
    scene.up(ADA)
    compose_alerts(scene.engine)
    assert scene.alerts()[3].title == "1 Gmail mailbox recovered"


def test_a_mass_refusal_that_was_none(scene: Scene):
    scene.close(scene.incident("mass_refusal", "grant_refused", mailboxes=9, held=9))
    compose_alerts(scene.engine)
    assert "The second pass found that all of them work. No action needed." in the_alert(scene).body


def test_a_fall_under_an_untold_incident_is_told_by_it(scene: Scene):
    scene.down(ADA, incident=scene.incident("mass_refusal", "expired_or_revoked", mailboxes=1))
    compose_alerts(scene.engine)
    assert the_alert(scene).kind == "incident"
    assert scene.untold() == 0


# the daily report

REPORT = {
    "mailboxes": 40, "valid": 30, "refreshed": 5, "needs_reauth": 3, "blocked": 1, "suspect": 0, "expiring": 4,
    "attention": [
        {"address": EVE, "state": "needs_reauth", "reason": "It is dead.", "step": "Sign in."},
        {"address": ADA, "state": "needs_reauth", "reason": "It is dead.", "step": "Sign in."},
    ],
    "incidents": ["Google refuses the OAuth client since 2026-03-02 12:00 UTC"],
    "expiring_list": [{"address": BOB, "ends_at": "2026-03-05T08:30:00+01:00", "days": 3}],
    "unknown": {"418 teapot": 2},
    "advice": ["Publish the app."],
}  # fmt: skip


def test_the_report_of_an_audit_is_told_once(scene: Scene):
    def report(key: str) -> int | None:
        with scene.engine.begin() as connection:
            return write_digest(connection, AuditReport.from_json(REPORT), key)

    assert sum(made is not None for made in at_once(4, lambda: report("run-1"))) == 1
    assert report("run-2") is not None
    assert [alert.title for alert in scene.alerts()] == ["Gmail grants: 4 of 40 mailboxes need a person"] * 2
    assert scene.alerts()[0].body == (
        "40 mailboxes: 30 valid, 5 refreshed, 3 need re-authentication, 1 blocked by an administrator, 4 expire soon.\n"
        "\n"
        "Open incidents:\n"
        "- Google refuses the OAuth client since 2026-03-02 12:00 UTC\n"
        "\n"
        "4 mailboxes need a person:\n"
        "- 2: It is dead. Sign in.\n"
        "    ada@one.example, eve@two.example\n"
        "- 2 more are on the page 'Gmail accounts'\n"
        "\n"
        "Grants that expire soon:\n"
        "- bob@one.example, 2026-03-05 07:30 UTC\n"
        "- and 3 more\n"
        "\n"
        "Unknown responses from Google:\n"
        "- 418 teapot: 2 times\n"
        "\n"
        "Advice:\n"
        "- Publish the app.\n"
        "\n"
        "Audit: run-1"
    )


# delivery


def test_older_ones_are_sent_first_and_each_once(scene: Scene, receiver: Receiver):
    scene.write("first", "second")
    assert send_all(scene) == SendCounts(sent=2)
    assert send_all(scene) == SendCounts()
    assert receiver.titles == ["first", "second"]
    assert receiver.messages[0]["message"].startswith("About first.")
    assert all(alert.sent_at for alert in scene.alerts())


def test_a_receiver_that_is_down_gets_it_later_and_once(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    scene.write("first")
    receiver.status = 503
    assert send_all(scene) == SendCounts(failed=1)
    assert "Alert 1 to all receivers (first) was not sent, and is tried again in 1 min: No receiver" in caplog.text
    assert "(HTTP 503)" in caplog.text
    assert send_all(scene) == SendCounts(), "its time has not come"
    scene.later(hours=0.02)
    assert send_all(scene) == SendCounts(failed=1)
    receiver.status = 200
    scene.later(hours=0.04)
    assert send_all(scene) == SendCounts(sent=1)
    assert receiver.titles == ["first"]
    assert (the_alert(scene).failure, the_alert(scene).attempts) == (None, 3)


def test_pauses_grow_to_an_hour(scene: Scene):
    scene.write("first")
    pauses = []
    for _ in range(8):
        send_pending_alerts(scene.engine, refuse)
        with scene.engine.begin() as connection:
            pauses.append(
                connection.scalar(sa.text("SELECT extract(epoch FROM next_try_at - now()) FROM gmail_warmup.alert"))
            )
        scene.later(hours=1.01)
    assert [round(float(pause) / 60) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_dead_receiver_costs_three_tries_and_not_one_per_alert(scene: Scene):
    scene.write(*(f"alert {number}" for number in range(20)))
    assert send_pending_alerts(scene.engine, refuse) == SendCounts(failed=3)


def test_one_that_cannot_be_sent_does_not_hold_up_the_others(scene: Scene):
    scene.write("bad", "good")
    taken = []

    def send(title: str, body: str) -> None:
        if title == "bad":
            raise OSError("https://user:hunter2@hooks.example.com/T0/B0")
        taken.append(title)

    assert send_pending_alerts(scene.engine, send) == SendCounts(sent=1, failed=1)
    assert taken == ["good"]


def test_a_failure_holds_no_secret(scene: Scene, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    scene.write("first")
    send_pending_alerts(scene.engine, refuse)
    assert the_alert(scene).failure == "OSError"
    assert "hunter2" not in caplog.text


def test_after_a_day_it_is_given_up_and_the_log_says_so(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    scene.write("first")
    send_pending_alerts(scene.engine, refuse)
    scene.later(hours=25)
    assert give_up_alerts(scene.engine) == 1
    assert "Alert 1 to all receivers (first) was not sent within a day and is not tried again; gave up: OSError" in (
        caplog.text
    )
    assert give_up_alerts(scene.engine) == 0
    assert send_all(scene) == SendCounts()
    assert receiver.titles == []
    assert the_alert(scene).sent_at is None


def test_what_was_written_while_nobody_received_is_not_sent_weeks_later(scene: Scene, receiver: Receiver):
    scene.write("old")
    scene.later(hours=24.1)
    scene.write("new")
    assert send_all(scene) == SendCounts(sent=1)
    assert receiver.titles == ["new"]


def test_deliverers_at_once_send_each_alert_once(scene: Scene, receiver: Receiver):
    titles = [f"alert {number}" for number in range(30)]
    scene.write(*titles)
    deliveries = at_once(4, lambda: send_all(scene))
    assert sum(delivery.sent for delivery in deliveries) == 30
    assert sorted(receiver.titles) == sorted(titles)


def test_a_process_that_dies_while_sending_leaves_it_to_the_next(scene: Scene, receiver: Receiver):
    scene.write("first")

    def die(title: str, body: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_pending_alerts(scene.engine, die)
    assert send_all(scene) == SendCounts(), "it may still be sending"
    scene.later(hours=0.1)
    assert send_all(scene) == SendCounts(sent=1)


def refuse(title: str, body: str) -> None:
    raise OSError("https://user:hunter2@hooks.example.com/T0/B0")


def send_all(scene: Scene) -> SendCounts:
    send = build_sender(CONN_ID)
    assert send
    return send_pending_alerts(scene.engine, send)


def at_once(number: int, call: Callable[[], Any]) -> list[Any]:
    """Call it in so many threads that start together."""
    gate = threading.Barrier(number)

    def wait_and_call() -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(number) as pool:
        return [future.result() for future in [pool.submit(wait_and_call) for _ in range(number)]]

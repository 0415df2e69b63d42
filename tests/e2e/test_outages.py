"""Trouble that concerns many at once, on a real scheduler: held, confirmed, told once, and over by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmail_embedded import demo_scene as scene

pytestmark = pytest.mark.e2e

HEALTH, WARMUP, MONITOR = "gmail_token_health", "gmail_warmup", "gmail_monitor"
DIGEST = "Gmail grants: "


@pytest.fixture
def told(installation) -> Callable[[], list[str]]:
    """Return what gives the titles of the alerts since the last look, without the daily digest."""
    installation.run(HEALTH)  # tells what is untold
    seen = len(installation.receiver.titles)

    def look() -> list[str]:
        nonlocal seen
        new, seen = installation.receiver.titles[seen:], len(installation.receiver.titles)
        return [title for title in new if not title.startswith(DIGEST)]

    return look


def test_a_wrong_secret_flags_nobody_and_is_told_once(installation, told):
    dead = installation.in_state("needs_reauth")
    installation.sandbox.add_fault("token", name="token.invalid_client")
    for _ in range(2):
        run, tasks = installation.run(HEALTH, {"force": True})
        assert run.state == "success"
    report = installation.stack.api.xcom(next(task for task in tasks if task.task_id == "report"))
    assert report["app_error"] == "invalid_client"
    assert installation.in_state("needs_reauth") == dead
    assert len(told()) == 1
    installation.sandbox.clear_faults()
    installation.rows("UPDATE gmail_warmup.breaker SET cooldown_until = now()")
    installation.run(HEALTH, {"force": True})
    assert len(told()) == 1  # it works again


def test_a_mass_refusal_is_held_confirmed_and_told_once(installation, told):
    healthy = installation.in_state("active")
    victims, asked = healthy[:6], len(installation.sandbox.token_requests(address=healthy[0]))
    installation.sandbox.revoke_grants(*victims, cause="revoked")
    run, tasks = installation.run(HEALTH, {"force": True})
    assert run.state == "success"
    decide, second_pass = (next(task for task in tasks if task.task_id == name) for name in ("decide", "second_pass"))
    assert "they are not flagged before the second pass" in installation.log(decide)
    assert second_pass.state == "success"
    assert sorted(task.label for task in tasks if task.task_id == "needs_person") == victims
    assert installation.in_state("active") == healthy[6:]
    assert len(installation.sandbox.token_requests(address=victims[0])) == asked + 2
    assert len(told()) == 1


def test_other_dags_may_wait_for_the_asset(installation):
    events = installation.stack.api.list_all("/assets/events", "asset_events")
    numbers = [
        event["extra"].get("mailboxes") for event in events if event["uri"].rstrip("/") == "gmail-warmup://needs-reauth"
    ]
    assert 6 in numbers
    assert all(len(event["extra"]["addresses"]) == event["extra"]["mailboxes"] for event in events)
    [(reported,)] = installation.rows("SELECT count(*) FROM gmail_warmup.asset_flag")
    assert reported >= 6, "the callback of the task does not see its success"


def test_flagged_mailboxes_are_sent_as_signed_webhooks(installation):
    flagged = [payload["data"] for payload in installation.inbox.payloads if payload["type"] == "mailbox.needs_reauth"]
    assert len(flagged) >= 6
    # Some of them were repaired meanwhile.
    assert {data["address"] for data in flagged} <= {*scene.WARMUP, *scene.WORKING_POOL, *scene.REVOKED_POOL}
    assert installation.inbox.forged == 0
    assert len(set(installation.inbox.attempts)) == len(installation.inbox.messages)


@pytest.fixture
def yearly_warmup(installation):
    """Give the paused DAG of the warmup a schedule, without which it is never overdue."""
    assert installation.run(WARMUP)[0].state == "success"
    installation.stack.api.pause(WARMUP)
    installation.stack.change_settings({"warmup_schedule": "@yearly"})
    yield
    installation.stack.change_settings({"warmup_schedule": "none"})


def test_a_dag_without_success_is_reported_by_the_monitor(installation, yearly_warmup, told):
    """Airflow runs the monitor without anybody having unpaused it."""
    api = installation.stack.api
    title = f"The DAG {WARMUP} is overdue"
    installation.rows("UPDATE gmail_warmup.dag_heartbeat SET steady_since = now() - interval '1 day'")
    installation.rows(
        "UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = now() - interval '2 years' WHERE dag_id = :dag",
        dag=WARMUP,
    )
    for _ in range(2):
        assert installation.run(MONITOR)[0].state == "success"
    assert told() == [title]
    assert "A DAG of this package is paused" in installation.receiver.messages[-1]["message"]
    api.unpause(WARMUP)
    installation.run(WARMUP)
    installation.run(MONITOR)
    assert told() == [f"Over: {title}"]

"""Airflow's side of the alerts: Connections, the log, and the notifier of a DAG or task."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from airflow.sdk import DAG, BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from gmail_warmup.airflow import notifier as notify
from gmail_warmup.airflow.notifier import AlertSummary, GmailAlertsNotifier, build_sender, send_alerts
from gmail_warmup.airflow.provider_info import get_provider_info
from gmail_warmup.airflow.services import Services
from gmail_warmup.alerts.apprise_sender import AlertDeliveryError
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.grant import Actor
from support.alert_kit import CONN_ID, Receiver, Scene, configure, listening

ADA, BOB = "ada@one.example", "bob@one.example"
PASSWORD = "hunter2-is-the-password"
BASE = "https://airflow.example.com"


@pytest.fixture
def scene(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    return Scene(database)


@pytest.fixture
def services(database: sa.Engine) -> Services:
    made = Services(Actor(name="test"))
    made.__dict__.update(settings=Settings(), engine=database)
    return made


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with listening() as found:
        configure(monkeypatch, found.url(f"operator:{PASSWORD}@"))
        yield found


def nobody() -> str:
    """Return a URL at which nobody listens."""
    return f"json://operator:{PASSWORD}@127.0.0.1:9/"


# receivers


def test_a_message_arrives_as_it_is(receiver: Receiver):
    send = build_sender(CONN_ID)
    assert send
    send("3 Gmail mailboxes need a person", "ada_1@one.example & *more* <b>\n  - \\n")
    (message,) = receiver.messages
    assert message["title"] == "3 Gmail mailboxes need a person"
    assert message["message"] == "ada_1@one.example & *more* <b>\n  - \\n"


def test_nobody_configured_is_no_error(scene: Scene, services: Services, caplog: pytest.LogCaptureFixture):
    scene.down(ADA)
    told = send_alerts(services)
    assert (len(told.new_alert_ids), told.configured, told.sent) == (1, False, 0)
    assert ADA in caplog.text
    assert scene.alerts()[0].sent_at is None


@pytest.mark.parametrize(
    "value",
    [
        {"conn_type": "http", "extra": {"config": {"path": nobody()}}},
        {"conn_type": "apprise"},
        {"conn_type": "apprise", "extra": "{" + PASSWORD},
        {"conn_type": "apprise", "extra": [PASSWORD]},
        {"conn_type": "apprise", "extra": {"config": PASSWORD}},
        {"conn_type": "apprise", "extra": {"config": []}},
        {"conn_type": "apprise", "extra": {"config": [PASSWORD]}},
        {"conn_type": "apprise", "extra": {"config": {"url": nobody()}}},
        {"conn_type": "apprise", "extra": {"config": {"path": f"nosuchservice://{PASSWORD}@host.example/"}}},
        {"conn_type": "apprise", "extra": {"config": [{"path": nobody()}, {"path": f"slack://{PASSWORD}"}]}},
    ],
)
def test_a_malformed_connection_is_named_and_not_shown(
    value: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(value))
    with pytest.raises(ConfigurationError) as caught:
        build_sender(CONN_ID)
    assert f"'{CONN_ID}' (receivers of alerts) is malformed" in str(caught.value)
    assert "It needs the type apprise" in str(caught.value)
    assert PASSWORD not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


@pytest.mark.parametrize("form", ["object", "text", "uri"])
def test_all_forms_of_the_providers_connection_are_read(
    form: str, scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    config = {"path": receiver.url()}
    value = {
        "object": json.dumps({"conn_type": "apprise", "extra": {"config": config}}),
        "text": json.dumps({"conn_type": "apprise", "extra": {"config": json.dumps(config)}}),
        "uri": str(sa.URL.create("apprise", query={"config": json.dumps(config)})),
    }[form]
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", value)
    send = build_sender(CONN_ID)
    assert send
    send("title", "body")
    assert receiver.titles == ["title"]


@pytest.mark.parametrize("status", [401, None])
def test_no_secret_in_log_error_or_table(
    status: int | None,
    scene: Scene,
    services: Services,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    path = f"/services/{PASSWORD}"
    if status:
        receiver.status = status
        configure(monkeypatch, receiver.url(f"operator:{PASSWORD}@") + path)
    else:
        configure(monkeypatch, nobody() + path)
    scene.down(ADA)
    assert send_alerts(services).failed == 1
    send = build_sender(CONN_ID)
    assert send
    with pytest.raises(AlertDeliveryError, match=f"JSON \\({f'HTTP {status}' if status else 'no answer'}\\)") as caught:
        send("title", "body")
    (alert,) = scene.alerts()
    assert alert.failure.startswith(f"No receiver in the Airflow Connection '{CONN_ID}' accepted it: JSON")
    assert PASSWORD not in f"{caught.value!r} {alert!r} {caplog.text}"


def test_one_of_two_receivers_is_enough_and_the_other_is_named(
    scene: Scene,
    services: Services,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    configure(monkeypatch, nobody(), receiver.url())
    scene.down(ADA)
    assert send_alerts(services).sent == 1
    assert len(receiver.messages) == 1
    assert "Not every receiver in the Airflow Connection 'gmail_warmup_alerts' accepted the alert: JSON" in caplog.text


@pytest.mark.parametrize(("option", "messages"), [("", 1), ("?overflow=split", 2)])
def test_what_a_service_does_not_take_whole_is_cut(
    option: str, messages: int, scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    configure(monkeypatch, receiver.url() + option)
    send = build_sender(CONN_ID)
    assert send
    send("title", "word " * 8000)
    assert len(receiver.messages) == messages
    assert all(len(message["message"]) <= 32_768 for message in receiver.messages), "what Apprise says this one takes"


# tell


def test_what_is_new_is_logged_and_sent_once(
    scene: Scene, services: Services, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger=notify.__name__)
    scene.down(ADA)
    scene.close(scene.incident("outage", "unreachable"))
    told = send_alerts(services)
    assert told == AlertSummary(new_alert_ids=told.new_alert_ids, configured=True, sent=2)
    assert send_alerts(services) == AlertSummary(new_alert_ids=[], configured=True)
    assert receiver.titles == ["Over: Google cannot be reached", "1 Gmail mailbox needs a person"]
    assert receiver.messages[1]["message"].startswith(f"{BASE}/plugin/gmail-accounts\n\nDetected ")
    logged = {record.getMessage().split("\n")[0]: record.levelname for record in caplog.records}
    assert logged["1 Gmail mailbox needs a person"] == "WARNING"
    assert logged["Over: Google cannot be reached"] == "INFO"


def test_what_nobody_could_be_told_is_logged_all_the_same(
    scene: Scene, services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    configure(monkeypatch, "nosuchservice://")
    scene.down(ADA)
    with pytest.raises(ConfigurationError):
        send_alerts(services)
    assert ADA in caplog.text
    assert len(scene.alerts()) == 1


# the notifier


@pytest.fixture
def notifier(scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> GmailAlertsNotifier:
    url = scene.engine.url
    extra = {key: value for key, value in url.query.items() if isinstance(value, str)}
    value = {"conn_type": "postgres", "login": url.username, "schema": url.database, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GMAIL_WARMUP_DB", json.dumps(value))
    return GmailAlertsNotifier()


def of_task(**values: Any) -> Any:
    """Return the context of a task's callback; the fields are those that the task runner gives it."""
    ti = RuntimeTaskInstance.model_construct(
        id=uuid4(), dag_id="gmail_warmup", run_id="manual__1", task_id="send", map_index=3, try_number=2
    )
    return {"dag": DAG("gmail_warmup", schedule=None), "ti": ti, **values}


def of_dag(reason: str) -> Any:
    """Return the context of a DAG's callback, of which no task is known."""
    return {"dag": DAG("gmail_token_health", schedule=None), "run_id": "manual__2", "reason": reason}


def test_a_failed_task_is_said_with_its_log_and_what_is_untold_too(
    scene: Scene, receiver: Receiver, notifier: GmailAlertsNotifier
):
    scene.down(ADA)
    notifier(of_task(exception=ValueError(f"token {PASSWORD}")))
    failure, alert = receiver.messages
    assert failure["title"] == "Task send of the DAG gmail_warmup failed"
    assert failure["message"].startswith(
        "Run: manual__1\n"
        "Error: ValueError\n"
        f"Log of the task send: {BASE}/dags/gmail_warmup/runs/manual__1/tasks/send/mapped/3?try_number=2"
    )
    assert alert["title"] == "1 Gmail mailbox needs a person"


@pytest.mark.parametrize(
    ("context", "titles"),
    [
        (of_task(), ["Task send of the DAG gmail_warmup failed"]),  # its process was found dead
        (of_task(exception=None), []),
        (of_task(exception=AirflowSkipException()), []),
        (of_task(reason="task_failure"), ["DAG gmail_warmup failed"]),
        (of_dag("timed_out"), ["DAG gmail_token_health failed"]),
        (of_dag("success"), []),
    ],
)
def test_a_callback_says_a_failure_and_only_that(
    context: Any, titles: list[str], receiver: Receiver, notifier: GmailAlertsNotifier
):
    notifier(context)
    assert receiver.titles == titles


def test_a_failure_that_nobody_takes_still_leaves_the_alerts_written(
    scene: Scene, receiver: Receiver, notifier: GmailAlertsNotifier, caplog: pytest.LogCaptureFixture
):
    receiver.status = 500
    scene.down(ADA)
    with pytest.raises(AlertDeliveryError):
        notifier(of_task(exception=ValueError()))
    assert [alert.title for alert in scene.alerts()] == ["1 Gmail mailbox needs a person"]
    assert "Task send of the DAG gmail_warmup failed" in caplog.text


def test_a_notifier_may_have_receivers_of_its_own(
    receiver: Receiver, notifier: GmailAlertsNotifier, monkeypatch: pytest.MonkeyPatch
):
    with listening() as other:
        configure(monkeypatch, other.url(), conn_id="on_call")
        GmailAlertsNotifier(alert_conn_id="on_call")(of_dag("task_failure"))
        assert (len(other.messages), receiver.messages) == (1, [])


def test_airflow_finds_the_notifier():
    (path,) = get_provider_info()["notifications"]
    assert path == f"{GmailAlertsNotifier.__module__}.{GmailAlertsNotifier.__qualname__}"
    assert issubclass(GmailAlertsNotifier, BaseNotifier)

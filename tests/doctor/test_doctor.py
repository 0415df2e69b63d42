"""The doctor: each disorder is named with what to do, and hides nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from gmail_warmup.airflow.connections import load_google_credentials
from gmail_warmup.airflow.services import Services
from gmail_warmup.cli import app
from gmail_warmup.core.enums import CONSUMER_DOMAINS, IncidentKind
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.roles import ensure_role
from gmail_warmup.doctor import CheckResult, Status, run_checks
from gmail_warmup.doctor.installation import compare_clocks
from gmail_warmup.mailboxes import zone_comparison, zone_data
from gmail_warmup.oauth.errors import OAuthClientError
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from support.workers import services
from support.world import CLIENT_ID, CLIENT_SECRET, FERNET_KEY, World

GMAIL, _ = CONSUMER_DOMAINS

ADA = "ada@pool.example"


@pytest.fixture
def ready(world: World, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    world.add(ADA)
    return services(world)


def checks(ready: Services) -> dict[str, CheckResult]:
    return {check.name: check for check in run_checks(ready, airflow_engine=ready.engine)}


def test_a_sound_installation(ready: Services):
    found = checks(ready)
    for name in ("settings", "Fernet key", "database", "stored secrets", "OAuth client", "token endpoint", "scopes",
                 "database clock", "Google's clock", "redirect URI", "publishing status", "incidents", "breaker",
                 "alerts"):  # fmt: skip
        assert found[name].status is Status.OK, found[name]
    assert "http://localhost:8080" in found["redirect URI"].found
    assert found["schema"].status is Status.WARNING
    assert "Unknown" in found["schema"].found


def test_a_superuser_is_a_problem_and_the_role_of_init_is_not(ready: Services):
    assert checks(ready)["database role"].status is Status.PROBLEM
    with ready.engine.begin() as connection:
        ensure_role(connection, role="doctor_role", password="x")
    ready.__dict__["engine"] = sa.create_engine(ready.engine.url, connect_args={"options": "-c role=doctor_role"})
    found = checks(ready)
    ready.engine.dispose()
    assert found["database role"].status is Status.OK, found["database role"]
    assert found["stored secrets"].status is Status.OK


def test_a_wrong_client_secret_is_told_from_a_wrong_token(ready: Services, world: World):
    ready.__dict__["oauth_client"] = dataclasses.replace(world.client, secrets=("wrong", CLIENT_SECRET))
    assert checks(ready)["token endpoint"].status is Status.WARNING
    world.sandbox.put_client(CLIENT_ID, client_secrets=["another"])
    found = checks(ready)["token endpoint"]
    assert found.status is Status.PROBLEM
    assert "secret" in found.found
    assert "Google Cloud console" in found.step


def test_an_unreachable_endpoint_is_a_problem_without_a_traceback(ready: Services, world: World):
    ready.__dict__["oauth_client"] = dataclasses.replace(world.client, token_uri="http://127.0.0.1:9/token")
    found = checks(ready)
    assert found["token endpoint"].status is Status.PROBLEM
    assert found["Google's clock"].found.startswith("Not checked")


def test_secrets_under_a_lost_key_are_named(ready: Services, world: World):
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET refresh_token = :t", t=Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    )
    found = checks(ready)["stored secrets"]
    assert found.status is Status.PROBLEM
    assert ADA in found.found
    assert "AIRFLOW__CORE__FERNET_KEY" in found.step


def test_seven_days_suggest_testing(ready: Services, world: World):
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET granted_at = now(), refresh_expires_at = now() + interval '604799 s'"
    )
    found = checks(ready)["publishing status"]
    assert (found.status, ADA in found.found, "Publish" in found.step) == (Status.WARNING, True, True)


def test_a_missing_scope_is_named(ready: Services, world: World):
    world.sql("UPDATE gmail_warmup.oauth_grant SET scopes = '{openid}'")
    assert ADA in checks(ready)["scopes"].found


def test_http_is_refused_for_a_public_name(ready: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example.com")
    assert checks(ready)["redirect URI"].status is Status.PROBLEM


@pytest.mark.parametrize(("seconds", "status"), [(30, Status.OK), (90, Status.WARNING), (-90, Status.WARNING)])
def test_clocks(seconds: int, status: Status):
    assert compare_clocks("Google's", datetime.now(UTC) + timedelta(seconds=seconds))[0] is status


def test_the_pool_and_the_revision_of_airflows_database(ready: Services):
    with ready.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.slot_pool (pool text, slots integer)")
        connection.exec_driver_sql("CREATE TABLE public.alembic_version_gmail_warmup AS SELECT 'old' AS version_num")
    try:
        found = checks(ready)
        assert found["pool"].status is Status.PROBLEM
        assert "Run: airflow db migrate" in found["schema"].step
        assert found["schema"].status is Status.PROBLEM
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO public.slot_pool VALUES ('gmail_warmup', 8)")
        found = checks(ready)["pool"]
        assert found.status is Status.WARNING
        assert "8 slots, fewer than max_active_tasks (32)" in found.found
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE public.slot_pool SET slots = 32")
        assert checks(ready)["pool"].status is Status.OK
    finally:
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE public.slot_pool, public.alembic_version_gmail_warmup")


def test_dags_that_airflow_does_not_know_or_does_not_run(ready: Services):
    assert checks(ready)["DAGs"].status is Status.WARNING  # the tests have none of Airflow's tables
    with ready.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.dag (dag_id text, is_paused boolean, is_stale boolean)")
    try:
        found = checks(ready)["DAGs"]
        assert (found.status, found.found) == (
            Status.PROBLEM,
            "Airflow does not know gmail_warmup, gmail_token_health, gmail_monitor.",
        )
        with ready.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO public.dag VALUES ('gmail_warmup', true, false), ('gmail_token_health', false, true),"
                " ('gmail_monitor', false, false), ('another', true, false)"
            )
        assert checks(ready)["DAGs"].found == "Airflow does not know gmail_token_health."
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE public.dag SET is_stale = false")
        found = checks(ready)["DAGs"]
        assert (found.status, found.step) == (Status.WARNING, "Run: airflow dags unpause gmail_warmup")
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE public.dag SET is_paused = false")
        assert checks(ready)["DAGs"].status is Status.OK
    finally:
        with ready.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE public.dag")


def test_a_delegated_mailbox_without_the_google_provider(
    ready: Services, world: World, monkeypatch: pytest.MonkeyPatch
):
    assert checks(ready)["delegation"].found == "No mailbox is delegated."
    world.sql("UPDATE gmail_warmup.mailbox SET auth = 'delegated'")
    assert checks(ready)["delegation"].status is Status.OK
    # None is what Python's import system takes for a package that is not there.
    monkeypatch.setitem(sys.modules, "airflow.providers.google", None)
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", '{"conn_type": "google_cloud_platform"}')
    with pytest.raises(ConfigurationError, match=r"gmail-warmup\[delegation\]"):
        load_google_credentials("google_cloud_default")
    found = checks(ready)["delegation"]
    assert (found.status, found.found) == (
        Status.PROBLEM,
        "1 delegated mailbox, but Airflow's Google provider is not installed.",
    )
    assert "requirements-slim.lock" in found.step


def test_mails_that_stay_in_the_ledger_are_a_warning(ready: Services, world: World):
    world.add("max@warm.example", kind="warmup")
    assert checks(ready)["upkeep"].status is Status.OK
    world.sql("INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned) VALUES (2, '2026-01-01', 2)")
    world.sql(
        "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, claimed_at, status,"
        " subject) SELECT days::text, 2, 1, '2026-01-01', days, now(), now() - make_interval(days => days), 'failed',"
        " 'x'"
        " FROM unnest(ARRAY[51, 53]) days"
    )
    found = checks(ready)["upkeep"]
    assert found.status is Status.WARNING
    assert "gmail-warmup upkeep" in found.step
    world.sql("DELETE FROM gmail_warmup.ledger WHERE slot = 53")
    assert checks(ready)["upkeep"].status is Status.OK


def test_the_command_says_it_to_people_and_programs(ready: Services):
    shown = CliRunner().invoke(app, ["doctor"], obj=ready)
    assert shown.exit_code == 1  # the tests' role is a superuser
    assert "is a superuser" in shown.stdout
    assert CLIENT_SECRET not in shown.stdout
    document = json.loads(CliRunner().invoke(app, ["doctor", "--json"], obj=ready).stdout)
    assert document["ok"] is False
    assert {check["status"] for check in document["checks"]} <= {"ok", "warning", "problem"}


def test_rows_under_a_former_key_are_counted(ready: Services, world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{Fernet.generate_key().decode()},{FERNET_KEY}")
    check = checks(ready)["stored secrets"]
    assert check.status is Status.WARNING
    assert check.found == "2 of 2 stored secrets are encrypted with a former key."
    assert check.step == "Run: gmail-warmup grants rotate"
    assert CliRunner().invoke(app, ["grants", "rotate"], obj=ready).exit_code == 0
    assert checks(ready)["stored secrets"].found == "All 2 can be decrypted and use the newest key."


def test_a_key_that_the_database_was_not_set_up_with_is_a_problem(ready: Services, world: World):
    other = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    world.sql("INSERT INTO gmail_warmup.canary (ciphertext) VALUES (:other)", other=other)
    found = checks(ready)
    assert found["database"].status is Status.OK
    assert found["stored secrets"].status is Status.PROBLEM
    assert "AIRFLOW__CORE__FERNET_KEY" in found["stored secrets"].found


@pytest.mark.parametrize(
    ("kind", "reason", "status", "step"),
    [
        (IncidentKind.APP_ERROR, "invalid_client", Status.PROBLEM, "Google Cloud console"),
        (IncidentKind.OUTAGE, "unreachable", Status.WARNING, "retried"),
        (IncidentKind.MASS_REFUSAL, "expired_or_revoked", Status.WARNING, "second audit pass"),
        (IncidentKind.UNREADABLE, "undecryptable", Status.PROBLEM, "former key"),
    ],
)
def test_an_incident_is_shown_while_it_is_open(
    ready: Services, kind: IncidentKind, reason: str, status: Status, step: str
):
    with ready.engine.begin() as connection:
        open_incident(connection, kind, reason=reason)
    found = checks(ready)["incidents"]
    assert found.status is status
    assert found.found.startswith(f"{kind.replace('_', ' ').capitalize()} since 2")
    assert step in found.step
    with ready.engine.begin() as connection:
        close_incidents(connection, kind)
    assert checks(ready)["incidents"].status is Status.OK


def test_alerts_go_nowhere_else_until_there_is_a_connection(ready: Services, monkeypatch: pytest.MonkeyPatch):
    found = checks(ready)["alerts"]
    assert found.found == "Alerts are only written to the log and the page."
    assert "gmail_warmup_alerts" in found.step
    monkeypatch.setenv("AIRFLOW_CONN_GMAIL_WARMUP_ALERTS", "https://:hook-password@hooks.example.com")
    found = checks(ready)["alerts"]
    assert "gmail_warmup_alerts" in found.found
    assert "hook-password" not in found.found + found.step


def test_incidents_and_an_open_breaker_are_shown(ready: Services, world: World):
    assert (checks(ready)["incidents"].status, checks(ready)["breaker"].status) == (Status.OK, Status.OK)
    world.sandbox.add_fault("token", name="token.deleted_client")
    with pytest.raises(OAuthClientError):
        world.tokens().get_token(ADA)
    world.sandbox.clear_faults()
    assert "The OAuth client is deleted." in checks(ready)["incidents"].found
    assert checks(ready)["breaker"].status is Status.PROBLEM


@pytest.mark.parametrize("reason", ["expired_or_revoked", "expired_as_foretold", "expired_in_testing"])
@pytest.mark.parametrize(("days", "advised"), [(7, True), (8, True), (3, False), (30, False)])
def test_grants_that_died_at_seven_days_suggest_testing(
    ready: Services, world: World, reason: str, days: int, advised: bool
):
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = :reason, state_since = now(),"
        " granted_at = now() - :age", reason=reason, age=timedelta(days=days),
    )  # fmt: skip
    found = checks(ready)["publishing status"]
    assert ("expired after seven days" in found.found, "Publish" in found.step) == (advised, advised)
    assert (ADA in found.found) is advised


def test_second_addresses_and_unknown_time_zones_are_listed(ready: Services, world: World):
    assert checks(ready)["addresses"].status is checks(ready)["time zones"].status is Status.OK
    world.sql(
        "INSERT INTO gmail_warmup.mailbox (address, kind, created_by, timezone, duplicate_number, paused_at) VALUES "
        f"('ada@{GMAIL}', 'pool', 'x', 'UTC', 0, NULL), ('a.da@{GMAIL}', 'pool', 'x', 'UTC', 1, now()), "
        "('b@pool.example', 'pool', 'x', 'localtime', 0, NULL), ('c@pool.example', 'pool', 'x', 'CET', 0, NULL)"
    )
    found = checks(ready)
    assert found["addresses"].status is Status.WARNING
    assert f"a.da@{GMAIL} is the same Google mailbox as ada@{GMAIL}" in found["addresses"].found
    assert found["time zones"].status is Status.PROBLEM
    assert "b@pool.example ('localtime'), c@pool.example ('CET')" in found["time zones"].found


def test_other_time_zone_data_of_the_database_is_reported(
    ready: Services, world: World, monkeypatch: pytest.MonkeyPatch
):
    """The package gets the hours of Tokyo for Berlin, as after a change of the law that the database does not know."""
    tokyo = zone_data.find_zone("Asia/Tokyo")
    monkeypatch.setattr(zone_comparison, "find_zone", lambda name: tokyo if name == "Europe/Berlin" else None)
    world.sql("UPDATE gmail_warmup.mailbox SET timezone = 'Europe/Berlin'")
    found = checks(ready)["time zones"]
    assert found.status is Status.WARNING
    assert f"than Python (tzdata {zone_data.DATA_VERSION})" in found.found
    assert re.search(r"Europe/Berlin: \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d (480|420) minutes behind", found.found)
    assert "restart PostgreSQL" in found.step

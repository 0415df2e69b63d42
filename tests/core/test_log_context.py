"""Log lines as they arrive in a task's log file: one for an event, with mailbox, action and reason code as fields."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airflow.sdk._shared.logging.structlog import drop_positional_args, structlog_processors

import gmail_warmup
from gmail_warmup.airflow import audit_runner
from gmail_warmup.airflow.tasks import audit, execution, warmup
from gmail_warmup.core import log_context
from gmail_warmup.core.errors import DatabaseNotReadyError, GmailWarmupError, StoppedError
from gmail_warmup.gmail.errors import BadGmailRequestError
from gmail_warmup.oauth.errors import build_grant_error
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.planning import kill_switch
from support.mail_kit import ADA, AT_ONCE, POOL
from support.workers import services
from support.world import FERNET_KEY, World

PIA = POOL[0]


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return what gives the package's lines since the last look, formatted as Airflow does in a task's process."""
    before, render, _ = structlog_processors(json_output=True)
    final = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, drop_positional_args, render]
    handler = logging.StreamHandler(buffer := io.StringIO())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=final,
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            use_get_message=False,
            pass_foreign_args=True,
        )
    )
    log = logging.getLogger("gmail_warmup")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)

    def look() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in buffer.getvalue().splitlines()]
        buffer.seek(0)
        buffer.truncate()
        return found

    yield look
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def warm(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A sender and one who receives, and the functions of the tasks as a DAG run calls them."""
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    world.settings = AT_ONCE
    world.add(ADA, kind="warmup")
    world.add(PIA)
    monkeypatch.setattr(execution, "build_services", lambda: services(world))
    monkeypatch.setattr(execution, "get_current_context", lambda: {"params": {}, "dag_run": SimpleNamespace()})
    return world


def _refused(world: World) -> None:
    world.sandbox.add_fault("token", name="token.bad_request")


def _failing(world: World) -> None:
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '100 s'")
    world.sandbox.add_fault("token", name="token.html_503")


def _flagged(world: World) -> None:
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'scope_missing'")


def _stopped(world: World) -> None:
    with world.store.engine.begin() as connection:
        kill_switch.begin_halt(connection, by="cli:eva", reason="test")


SENDING = {"mailbox": ADA, "action": "send"}


@pytest.mark.parametrize(
    ("happens", "text", "fields"),
    [
        (lambda _: None, f"Successfully refreshed expired credentials for {ADA}. Updated OAuth token for account", {}),
        (lambda _: None, f"send {ADA}: sent 6", {}),
        (_refused, "Failed to refresh credentials", {"reason_code": "grant_refused"}),
        (_refused, "a second probe decides. [grant_refused]", {"reason_code": "grant_refused"}),
        (lambda world: world.sandbox.revoke_grants(ADA), "needs re-auth", {"reason_code": "expired_or_revoked"}),
        (_failing, "its access token is still valid", {"reason_code": "server_error"}),
        (_flagged, "is needs_reauth", {"reason_code": "scope_missing"}),
        (_flagged, "To repair it: ", {}),
        (_stopped, "Stopped since", {"reason_code": "stopped"}),
        (
            lambda world: world.sandbox.add_fault("gmail.users.drafts.create", name="gmail.bad_request", times=1),
            "for good [badRequest]",
            {"reason_code": "badRequest"},
        ),
        (
            lambda world: world.sandbox.put_mailbox(ADA, sending_limit=0),
            "sending limit",
            {"reason_code": "userRateLimitExceeded"},
        ),
        (
            lambda world: world.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE kind = 'pool'"),
            "No pool mailbox",
            {"reason_code": "pool_too_small"},
        ),
    ],
)
def test_an_event_of_a_mailboxs_task_is_one_line_with_its_fields(
    warm: World,
    lines: Callable[[], list[dict[str, Any]]],
    happens: Callable[[World], None],
    text: str,
    fields: dict[str, str],
):
    happens(warm)
    try:
        warmup.run_mailbox_action("send", ADA)
    except Exception:
        pass
    found = [line for line in lines() if text in line["event"]]
    assert len(found) == 1
    assert {name: found[0].get(name) for name in (SENDING | fields)} == SENDING | fields


def test_nothing_to_do_is_no_line(warm: World, lines: Callable[[], list[dict[str, Any]]]):
    warm.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '1 h'")
    warmup.run_mailbox_action("read", PIA)
    assert lines() == []


def test_a_plan_is_one_line_and_names_nobody_twice(warm: World, lines: Callable[[], list[dict[str, Any]]]):
    assert warmup.plan_action("send", {}) == [ADA]
    found = [line for line in lines() if line["logger"] == "gmail_warmup.airflow.tasks.warmup"]
    assert [(line["event"], line["action"]) for line in found] == [("send: due in 1 mailboxes", "send")]
    warmup.plan_action("send", {"dry_run": True})
    assert f"send: {ADA}" in [line["event"] for line in lines()]


def test_an_audit_says_whom_a_line_is_about(warm: World, lines: Callable[[], list[dict[str, Any]]]):
    warm.sandbox.revoke_grants(PIA, cause="revoked")
    warm.sandbox.add_fault("token", name="token.html_404", address=ADA)
    audit_runner.run_audit_pass(services(warm), [1, 2], actor=warm.actor, force=True)
    found = {line["mailbox"]: (line["reason_code"], line["level"]) for line in lines() if "mailbox" in line}
    assert found == {ADA: ("not_json", "warning"), PIA: ("expired_or_revoked", "warning")}


def test_who_needs_a_person_is_named_with_the_reason(warm: World, lines: Callable[[], list[dict[str, Any]]]):
    _flagged(warm)
    audit.report_flagged(PIA)
    first, second = lines()
    assert (first["mailbox"], first["reason_code"]) == (PIA, "scope_missing")
    assert (second["mailbox"], "reason_code" in second) == (PIA, False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (build_grant_error(ADA, REASONS["unreachable"]), "unreachable"),
        (BadGmailRequestError(ADA, status=400, reason="badRequest"), "badRequest"),
        (BadGmailRequestError(ADA, status=400), "bad_gmail_request"),
        (StoppedError(), "stopped"),
        (DatabaseNotReadyError(), "database_not_ready"),
    ],
)
def test_every_error_has_a_code(error: GmailWarmupError, code: str):
    assert log_context.reason_code(error) == code


def test_fields_end_with_their_block(lines: Callable[[], list[dict[str, Any]]]):
    log = logging.getLogger("gmail_warmup.test")
    with log_context.log_fields(mailbox=ADA):
        log_context.log_event(log, logging.INFO, "one", reason_code="ok")
        log.info("two")
    log.info("three")
    one, two, three = lines()
    assert (one["mailbox"], one["reason_code"]) == (ADA, "ok")
    assert (two["mailbox"], "reason_code" in two) == (ADA, False)
    assert "mailbox" not in three
    assert one["logger"] == "gmail_warmup.test"


def test_a_line_that_shows_a_code_has_it_as_a_field_too():
    """Whoever writes ``[%s]`` into a line writes it with ``event``."""
    sources = Path(gmail_warmup.__file__).parent.rglob("*.py")
    plain = {
        path.name: found
        for path in sources
        if (found := re.findall(r"log\.(?:info|warning|error)\([^)]*\[%s\][^)]*\)", path.read_text()))
    }
    assert plain == {}

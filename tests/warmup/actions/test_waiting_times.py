"""The waiting times that Gmail names: no call to the mailbox before, and no call of any mailbox for the project's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from gmail_sandbox.gmail.errors import error_body
from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.gmail.errors import GmailError, GmailRateLimitError, SendingLimitError
from gmail_warmup.oauth.errors import CircuitOpenError, GrantError
from support.mail_kit import ADA, POOL, act, due, everybody, find_at_night
from support.workers import hook
from support.world import CLIENT_ID, World


def in_text(wait: timedelta, pattern: str = "%Y-%m-%dT%H:%M:%S.000Z") -> dict[str, Any]:
    moment = (datetime.now(UTC) + wait).strftime(pattern)
    message = f"User-rate limit exceeded.  Retry after {moment}"
    return {"status": 429, "body": error_body(429, message, "userRateLimitExceeded")}


def in_header(value: str, *, status: int = 429, reason: str = "userRateLimitExceeded") -> dict[str, Any]:
    return {"status": status, "body": error_body(status, "x", reason), "headers": {"retry-after": value}}


HOUR = timedelta(hours=1)
ANSWERS = {
    "text": (lambda: in_text(HOUR), HOUR),
    "text without fraction": (lambda: in_text(HOUR, "%Y-%m-%dT%H:%M:%SZ"), HOUR),
    "header in seconds": (lambda: in_header("3600"), HOUR),
    "header as a date": (lambda: in_header(format_datetime(datetime.now(UTC) + HOUR, usegmt=True)), HOUR),
    "403 with a header": (lambda: in_header("3600", status=403), HOUR),
    "503 with a header": (lambda: in_header("3600", status=503, reason="backendError"), HOUR),
    "a year in the text": (lambda: in_text(timedelta(days=365)), timedelta(days=1)),
    "a year in the header": (lambda: in_header("31536000"), timedelta(days=1)),
}


def seconds_left(world: World, address: str = ADA) -> float:
    query = "SELECT extract(epoch FROM gmail_retry_at - now()) FROM gmail_warmup.mailbox WHERE address = :address"
    return float(world.rows(query, address=address)[0][0])


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_is_asked_of_the_mailbox_before_the_time(warm: World, name: str):
    make, wait = ANSWERS[name]
    assert due(warm, Action.SEND) == [ADA]
    warm.sandbox.add_fault("gmail", address=ADA, answer=make())
    with pytest.raises(GmailError):
        act(warm, Action.SEND)
    warm.sandbox.clear_faults()
    assert seconds_left(warm) == pytest.approx(wait.total_seconds(), abs=60)
    calls = sum(warm.sandbox.stats().mailboxes[ADA].calls.values())
    assert due(warm, Action.SEND) == []
    assert act(warm, Action.SEND) == {}  # a task that was already mapped, or is retried
    assert sum(warm.sandbox.stats().mailboxes[ADA].calls.values()) == calls
    warm.sql("UPDATE gmail_warmup.mailbox SET gmail_retry_at = now()")
    assert act(warm, Action.SEND) == {"sent": 6}


@pytest.mark.parametrize("action", [Action.RESCUE, Action.READ, Action.REPLY, Action.COLLECT])
def test_no_task_of_any_action_is_planned_before_the_time(warm: World, action: Action):
    act(warm, Action.SEND)
    if action is Action.READ:
        find_at_night(warm)
    if action in (Action.REPLY, Action.COLLECT):
        everybody(warm, Action.RESCUE)
    if action is Action.COLLECT:
        everybody(warm, Action.REPLY)
    waiting = due(warm, action)
    assert waiting
    warm.sql("UPDATE gmail_warmup.mailbox SET gmail_retry_at = now() + interval '1 hour'")
    assert due(warm, action) == []
    warm.sql("UPDATE gmail_warmup.mailbox SET gmail_retry_at = now()")
    assert due(warm, action) == waiting


def test_a_shorter_time_replaces_no_longer_one(warm: World):
    for seconds in ("7200", "5"):
        warm.sandbox.clear_faults()
        warm.sandbox.add_fault("gmail", address=ADA, answer=in_header(seconds))
        with pytest.raises(GmailRateLimitError):
            hook(warm, ADA).get_profile()
    assert seconds_left(warm) == pytest.approx(7200, abs=60)


def test_the_time_of_a_sending_limit_stops_sending_and_nothing_else(warm: World):
    wait = timedelta(hours=23, minutes=30)
    moment = (datetime.now(UTC) + wait).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = error_body(429, f"User-rate limit exceeded.  Retry after {moment} (Mail sending)", "userRateLimitExceeded")
    warm.sandbox.add_fault("gmail.users.drafts.send", address=ADA, answer={"status": 429, "body": body})
    with pytest.raises(SendingLimitError):
        act(warm, Action.SEND)
    mailbox = warm.mailbox(ADA)
    assert mailbox.gmail_retry_at is None
    assert mailbox.deferred_until is not None
    assert mailbox.deferred_until >= datetime.now(UTC) + wait - timedelta(minutes=1)


def test_a_limit_of_the_project_stops_every_mailbox(warm: World):
    def work(address: str) -> None:
        mailbox_id = warm.grant(address).mailbox_id
        with require_api_enabled(warm.store.engine, lambda: CLIENT_ID, mailbox_id=mailbox_id, address=address):
            hook(warm, address).get_profile()

    limited = in_header("40000", status=403, reason="rateLimitExceeded")
    warm.sandbox.add_fault("gmail", address=ADA, answer=limited)
    with pytest.raises(GmailRateLimitError):
        work(ADA)
    with pytest.raises(CircuitOpenError):
        work(POOL[0])
    left = warm.rows("SELECT extract(epoch FROM cooldown_until - now()) FROM gmail_warmup.breaker")
    assert float(left[0][0]) == pytest.approx(40_000, abs=60)
    assert warm.mailbox(ADA).gmail_retry_at is None


@pytest.mark.parametrize(("named", "kept"), [("40000", 40_000), ("31536000", 86_400)])
def test_the_token_endpoint_is_not_asked_before_its_time(world: World, named: str, kept: int):
    world.add(ADA)
    world.add(POOL[0])
    answer = {"status": 429, "body": {"error": "rate_limit_exceeded"}, "headers": {"retry-after": named}}
    world.sandbox.add_fault("token", answer=answer, times=1)
    for address in (ADA, POOL[0], ADA):
        with pytest.raises(GrantError):
            world.tokens().get_token(address)
    assert world.token_requests() == 1
    left = world.rows("SELECT extract(epoch FROM cooldown_until - now()) FROM gmail_warmup.breaker")
    assert float(left[0][0]) == pytest.approx(kept, abs=60)


ODD = ["redirect_302", "html_400", "html_401", "html_403", "html_404", "html_407", "html_499", "empty_400", "empty_403",
       "foreign_json_400", "200_foreign_json", "200_not_json", "forbidden"]  # fmt: skip


@pytest.mark.parametrize("call", ["drafts.create", "drafts.send"])
@pytest.mark.parametrize("fault", ODD)
def test_an_answer_that_is_not_gmails_loses_no_mail(warm: World, fault: str, call: str):
    warm.sandbox.add_fault(f"gmail.users.{call}", name=f"gmail.{fault}", address=ADA)
    with pytest.raises(GmailError):
        act(warm, Action.SEND)
    statuses = warm.rows("SELECT DISTINCT status FROM gmail_warmup.ledger")
    assert statuses == [("claimed" if call == "drafts.create" else "drafted",)]
    warm.sandbox.clear_faults()
    assert act(warm, Action.SEND) == {"sent": 6}
    assert len(warm.sandbox.mails()) == 6

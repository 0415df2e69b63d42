"""Mailboxes that do not work: whose failures count, when they are reported, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts.compose import compose_alerts, read_alerts
from gmail_warmup.alerts.failure_alerts import compose_failure_alert, record_outage
from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError, MailboxBusyError, StoppedError
from gmail_warmup.db.engine import autocommit
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.oauth import errors as oauth_errors
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.health.failures import count_not_working, find_failure, load_failures, track_failures
from support.mail_kit import ADA, POOL, use
from support.workers import hook
from support.world import World

HOUR, DAY = 3600, 86_400
UNKNOWN_403 = {
    "status": 403,
    "body": '{"error": {"code": 403, "message": "No.", "errors": [{"reason": "strangeReason", "message": "No."}]}}',
    "content_type": "application/json",
}


def run_task(world: World, action: Action, address: str = ADA) -> bool:
    """Run a task as Airflow does; return whether it succeeded."""
    with autocommit(world.store.engine) as connection:
        snapshot = mailbox_lease.load_by_address(connection, address)
    gmail = hook(world, address)
    tracked = track_failures(
        world.store.engine,
        snapshot.mailbox.id,
        gmail,
        is_failing=snapshot.is_failing,
        after=world.settings.not_working_after,
    )
    try:
        with tracked:
            run_action(action, snapshot.mailbox, engine=world.store.engine, settings=world.settings, gmail=gmail)
    except GmailWarmupError:
        return False
    return True


def record(world: World, address: str) -> None:
    """Make one call in a mailbox, as a task does."""
    gmail, mailbox_id = hook(world, address), world.mailbox(address).id
    with (
        suppress(GmailWarmupError),
        track_failures(world.store.engine, mailbox_id, gmail, is_failing=True, after=world.settings.not_working_after),
    ):
        gmail.get_profile()


def passes(world: World, seconds: float) -> None:
    """Move the failures into the past."""
    world.sql(
        "UPDATE gmail_warmup.mailbox_failure SET since = since - make_interval(secs => :seconds),"
        " last_at = last_at - make_interval(secs => :seconds),"
        " not_working_at = not_working_at - make_interval(secs => :seconds)",
        seconds=seconds,
    )


def alert(world: World) -> list[str]:
    """Alert the operator as each run does; return the titles of the new alerts."""
    return [stored.title for stored in read_alerts(world.store.engine, compose_failure_alert(world.store.engine))]


def not_working(world: World) -> int:
    with autocommit(world.store.engine) as connection:
        return count_not_working(connection)


def refuse(world: World, address: str = ADA, where: str = "gmail") -> None:
    world.sandbox.add_fault(where, address=address, answer=UNKNOWN_403)


def test_three_days_of_an_unknown_refusal_are_one_alert_with_the_cause(warm: World):
    refuse(warm)
    titles: list[str] = []
    for _ in range(3 * 8):
        assert not run_task(warm, Action.SEND)
        titles += alert(warm)
        passes(warm, 3 * HOUR)
    assert titles == ["1 Gmail mailbox does not work"]
    (body,) = warm.rows("SELECT body FROM gmail_warmup.alert WHERE kind = 'not_working'")[0]
    assert ADA in body
    assert "403" in body
    assert not_working(warm) == 1
    with autocommit(warm.store.engine) as connection:
        (failing,) = load_failures(connection, [warm.mailbox(ADA).id]).values()
    assert failing.failures == 24
    assert "403, strangeReason" in failing.detail
    warm.sandbox.clear_faults()
    assert run_task(warm, Action.SEND)
    assert not_working(warm) == 0
    assert alert(warm) == ["1 Gmail mailbox works again"]
    assert alert(warm) == []


def test_what_ends_within_the_time_is_not_reported(warm: World):
    refuse(warm)
    run_task(warm, Action.SEND)
    passes(warm, 5.9 * HOUR)
    run_task(warm, Action.SEND)
    assert alert(warm) == []
    warm.sandbox.clear_faults()
    run_task(warm, Action.SEND)
    passes(warm, HOUR)
    assert (alert(warm), not_working(warm)) == ([], 0)
    assert warm.rows("SELECT count(*) FROM gmail_warmup.mailbox_failure") == [(0,)]


def test_the_time_is_a_setting(warm: World):
    use(warm, not_working_after=0)
    refuse(warm)
    run_task(warm, Action.SEND)
    assert alert(warm) == ["1 Gmail mailbox does not work"]


def test_a_task_that_calls_nothing_proves_nothing(warm: World):
    refuse(warm)
    run_task(warm, Action.SEND)
    passes(warm, 7 * HOUR)
    assert run_task(warm, Action.REPLY)  # nothing is due
    assert not_working(warm) == 1


@pytest.mark.parametrize(
    "fault",
    ["gmail.bad_request", "gmail.delegation_denied", "gmail.backend_500", "gmail.html_503", "gmail.user_rate_limit_403",
     "gmail.failed_precondition", "gmail.200_not_json", "gmail.cut"],
)  # fmt: skip
def test_other_causes_that_last_are_reported_too(warm: World, fault: str):
    warm.sandbox.add_fault("gmail", address=ADA, name=fault)
    run_task(warm, Action.SEND)
    passes(warm, 7 * HOUR)
    run_task(warm, Action.SEND)
    assert not_working(warm) == 1


@pytest.mark.parametrize("fault", ["token.html_404", "token.200_not_json", "token.json_500"])
def test_a_token_endpoint_that_fails_for_one_mailbox_counts(warm: World, fault: str):
    warm.sandbox.add_fault("token", address=ADA, name=fault)
    warm.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    run_task(warm, Action.SEND)
    passes(warm, 7 * HOUR)
    assert not_working(warm) == 1


NOT_THE_MAILBOX: list[Callable[[], BaseException]] = [
    lambda: MailboxBusyError("busy"),
    lambda: StoppedError("stopped"),
    lambda: ConfigurationError("wrong"),
    lambda: gmail_errors.GmailApiDisabledError(ADA),
    lambda: gmail_errors.ProjectQuotaError(ADA),
    lambda: gmail_errors.SendingLimitError(ADA),
    lambda: oauth_errors.CircuitOpenError(ADA, REASONS["unreachable"]),
    lambda: oauth_errors.OAuthClientError(ADA, REASONS["invalid_client"]),
    lambda: oauth_errors.UnreadableGrantError(ADA, REASONS["undecryptable"]),
    lambda: oauth_errors.FlaggedGrantError(ADA, REASONS["expired_or_revoked"]),
    lambda: oauth_errors.SuspectGrantError(ADA, REASONS["grant_refused"]),
    lambda: sa.exc.OperationalError("SELECT", {}, Exception("gone")),
    KeyboardInterrupt,
]


@pytest.mark.parametrize("make", NOT_THE_MAILBOX)
def test_what_concerns_the_installation_does_not_count_for_a_mailbox(make: Callable[[], BaseException]):
    assert find_failure(make()) is None


def test_a_failure_of_unknown_kind_counts_and_shows_no_content():
    failure = find_failure(ValueError("secret-token"))
    assert failure is not None
    assert "ValueError" in failure.detail
    assert "secret" not in failure.detail


def test_an_outage_that_is_known_counts_for_no_mailbox(warm: World):
    warm.sandbox.add_fault("gmail", address=ADA, name="gmail.unavailable_503")
    refuse(warm, POOL[0])
    run_task(warm, Action.SEND)
    warm.sandbox.clear_faults()
    passes(warm, 7 * HOUR)
    warm.sql("INSERT INTO gmail_warmup.incident (kind, reason) VALUES ('outage', 'unreachable')")
    assert (alert(warm), not_working(warm)) == ([], 0)
    warm.sql("UPDATE gmail_warmup.incident SET closed_at = now()")
    assert not_working(warm) == 1


def test_an_outage_of_gmail_is_one_incident_and_counts_for_no_mailbox(warm: World):
    addresses = (ADA, *POOL)
    warm.sandbox.add_fault("gmail", name="gmail.unavailable_503")
    titles: list[str] = []
    for _ in range(8):
        for address in addresses:
            record(warm, address)
        record_outage(warm.store.engine)
        titles += alert(warm)
        titles += [stored.title for stored in read_alerts(warm.store.engine, compose_alerts(warm.store.engine))]
        passes(warm, 3 * HOUR)
    assert titles == ["Google cannot be reached"]
    assert not_working(warm) == 0
    warm.sandbox.clear_faults()
    record(warm, ADA)
    record(warm, POOL[0])
    record_outage(warm.store.engine)
    assert not_working(warm) == 0  # the third one has had no task since
    compose_alerts(warm.store.engine)
    assert warm.rows("SELECT count(*) FROM gmail_warmup.incident WHERE closed_at IS NULL") == [(0,)]


@pytest.mark.parametrize(
    "change",
    ["UPDATE gmail_warmup.mailbox SET paused_at = now(), paused_by = 'op'",
     "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'"],
)  # fmt: skip
def test_a_mailbox_that_no_task_may_use_is_not_one_that_does_not_work(warm: World, change: str):
    refuse(warm)
    run_task(warm, Action.SEND)
    passes(warm, 7 * HOUR)
    warm.sql(change)
    assert (alert(warm), not_working(warm)) == ([], 0)


def test_failures_days_apart_do_not_add_up(warm: World):
    refuse(warm)
    for _ in range(3):
        run_task(warm, Action.SEND)
        passes(warm, 2 * DAY)
        assert warm.rows("SELECT failures FROM gmail_warmup.mailbox_failure") == [(1,)]


def test_a_task_in_which_gmail_refused_every_mail_is_not_successful(warm: World):
    warm.sandbox.add_fault("gmail.users.drafts.create", name="gmail.invalid_argument")
    assert not run_task(warm, Action.SEND)
    assert warm.rows("SELECT DISTINCT status FROM gmail_warmup.ledger") == [("failed",)]


def test_a_task_in_which_gmail_refused_one_mail_of_several_is_successful(warm: World):
    warm.sandbox.add_fault("gmail.users.drafts.create", name="gmail.invalid_argument", times=1)
    assert run_task(warm, Action.SEND)
    statuses = warm.rows("SELECT status, count(*) FROM gmail_warmup.ledger GROUP BY status ORDER BY status")
    assert statuses == [("failed", 1), ("sent", 5)]

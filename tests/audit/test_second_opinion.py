"""A refusal is confirmed, and ended, by the party that refused.

Days in which Gmail refuses what the token endpoint accepts, and the other way round. A simulated run is a task in the
mailbox and the composing of alerts.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts.compose import compose_alerts
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.oauth.refusal_policy import DAILY_PROBE_SECONDS
from gmail_warmup.warmup.planning.eligibility import IS_USABLE
from support.workers import hook
from support.world import World

ADA = "ada@warm.example"
RUN, DAY = 600, 86_400
ACTIVE, SUSPECT = GrantState.ACTIVE, GrantState.SUSPECT
NEEDS_REAUTH, BLOCKED, DISABLED = GrantState.NEEDS_REAUTH, GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED

GMAIL_REFUSALS = {
    "gmail.mail_service_not_enabled": (DISABLED, "gmail_disabled"),
    "gmail.failed_precondition": (DISABLED, "gmail_disabled"),
    "gmail.domain_policy": (BLOCKED, "blocked_by_admin"),
    "gmail.insufficient_scope": (NEEDS_REAUTH, "scope_missing"),
    "gmail.auth_error": (NEEDS_REAUTH, "token_rejected_twice"),
}
"""The faults of Gmail that concern a mailbox, with the state in which they end if they last."""


@dataclass
class Days:
    """Simulated runs and audits of one mailbox; time passes in the database alone."""

    world: World
    runs: int = 0
    failed: int = 0

    def passes(self, seconds: float) -> None:
        columns = ("state_since", "next_probe_at", "access_expires_at", "refreshed_at", "granted_at")
        moved = ", ".join(f"{column} = {column} - make_interval(secs => :seconds)" for column in columns)
        self.world.sql(f"UPDATE gmail_warmup.oauth_grant SET {moved}", seconds=seconds)

    def run(self, times: int = 1, *, every: float = RUN) -> None:
        """Plan and run a task as often as given, and alert the operator after each run."""
        for _ in range(times):
            if self._is_planned():
                self.runs += 1
                try:
                    hook(self.world, ADA).search_messages("in:inbox", limit=1)
                except GmailWarmupError:
                    self.failed += 1
            compose_alerts(self.world.store.engine)
            self.passes(every)

    def audit(self) -> None:
        Audit(self.world.store, self.world.client, self.world.settings, actor=self.world.actor).run(
            [self.world.grant(ADA).mailbox_id]
        )
        compose_alerts(self.world.store.engine)

    def alerts(self) -> list[str]:
        return [title for (title,) in self.world.rows("SELECT title FROM gmail_warmup.alert ORDER BY id")]

    def _is_planned(self) -> bool:
        query = sa.select(Mailbox.id).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id).where(IS_USABLE)
        with self.world.store.engine.connect() as connection:
            return connection.scalar(query) is not None


DOWN, UP = "1 Gmail mailbox needs a person", "1 Gmail mailbox recovered"


@pytest.fixture
def days(world: World) -> Days:
    """Return a world with one healthy mailbox."""
    world.add(ADA, kind="warmup")
    made = Days(world)
    made.run()
    assert made.failed == 0
    return made


def state(days: Days) -> tuple[GrantState, str | None]:
    grant = days.world.grant(ADA)
    return grant.state, grant.reason


def refused_calls(days: Days) -> int:
    return sum(fault.hits for fault in days.world.sandbox.faults())


def test_one_temporary_refusal_disables_nobody(days: Days):
    days.world.sandbox.add_fault("gmail", name="gmail.failed_precondition", times=1)
    days.run()
    assert state(days) == (SUSPECT, "precondition_failed")
    days.run(6)
    assert state(days) == (ACTIVE, None)
    assert (days.failed, days.runs) == (1, 8)
    assert days.alerts() == []


def test_a_second_call_decides_and_not_a_refresh(days: Days):
    days.world.sandbox.add_fault("gmail", name="gmail.failed_precondition")
    days.run()
    days.world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    days.world.tokens(margin=300)
    days.run()
    assert state(days) == (SUSPECT, "precondition_failed")
    days.run()
    assert state(days) == (DISABLED, "gmail_disabled")
    assert days.alerts() == [DOWN]


@pytest.mark.parametrize(("fault", "expected"), GMAIL_REFUSALS.items())
def test_four_days_in_which_only_gmail_refuses_are_one_alert(days: Days, fault: str, expected: tuple[GrantState, str]):
    days.world.sandbox.add_fault("gmail", name=fault)
    events, requests = len(days.world.events(ADA)), days.world.token_requests()
    for _ in range(4):
        days.run(8, every=DAY / 8)
        days.audit()
    assert state(days) == expected
    assert days.alerts() == [DOWN]
    assert days.failed <= 2
    assert len(days.world.events(ADA)) - events <= 2
    assert days.world.token_requests() - requests <= 4 + 3
    days.world.sandbox.clear_faults()
    days.passes(DAY)
    days.audit()
    assert state(days) == (ACTIVE, None)
    assert days.alerts() == [DOWN, UP]
    days.run(6)
    assert days.alerts() == [DOWN, UP]


def test_rejected_fresh_tokens_are_reported_after_the_second(days: Days):
    days.world.sandbox.add_fault("gmail", name="gmail.auth_error")
    events = len(days.world.events(ADA))
    days.run(6)
    assert state(days) == (NEEDS_REAUTH, "token_rejected_twice")
    days.run(138)
    assert days.failed == 2
    assert days.alerts() == [DOWN]
    assert len(days.world.events(ADA)) - events == 2


@pytest.mark.parametrize("fault", ["gmail.backend_500", "gmail.html_503", "gmail.rate_limit_403", "gmail.cut"])
def test_a_probe_that_gmail_does_not_answer_says_nothing(days: Days, fault: str):
    days.world.sandbox.add_fault("gmail", name="gmail.mail_service_not_enabled")
    days.run()
    days.world.sandbox.clear_faults()
    days.world.sandbox.add_fault("gmail", name=fault)
    days.passes(DAY)
    days.audit()
    assert state(days) == (DISABLED, "gmail_disabled")
    assert days.alerts() == [DOWN]
    days.world.sandbox.clear_faults()
    days.audit()
    assert state(days) == (ACTIVE, None)


@pytest.mark.parametrize("cause", ["admin_policy", "access_denied"])
@pytest.mark.parametrize("fault", ["gmail.mail_service_not_enabled", "gmail.domain_policy"])
def test_a_mailbox_that_both_refuse_recovers_when_both_accept_it(days: Days, cause: str, fault: str):
    days.world.sandbox.revoke_grants(ADA, cause=cause, keep_access_tokens=True)
    days.world.sandbox.add_fault("gmail", name=fault)
    days.run()
    days.passes(DAY)
    days.audit()
    assert days.world.grant(ADA).state in (BLOCKED, DISABLED)
    days.world.sandbox.restore_grants(ADA)
    days.passes(DAY)
    days.audit()
    assert state(days) == GMAIL_REFUSALS[fault]
    assert days.alerts() == [DOWN]
    days.world.sandbox.clear_faults()
    days.passes(DAY)
    days.audit()
    assert state(days) == (ACTIVE, None)
    assert days.alerts() == [DOWN, UP]


def test_gmail_accepting_a_valid_token_does_not_end_what_the_token_endpoint_refuses(days: Days):
    days.world.sandbox.revoke_grants(ADA, cause="bad_request", keep_access_tokens=True)
    days.world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '200 s'")
    days.run(1, every=1)
    assert state(days) == (SUSPECT, "grant_refused")
    days.run(1, every=1)
    assert state(days) == (SUSPECT, "grant_refused")
    assert days.failed == 0


def test_a_consent_ends_what_either_refused(days: Days):
    days.world.sandbox.add_fault("gmail", name="gmail.insufficient_scope")
    days.run()
    days.world.sandbox.clear_faults()
    days.world.reauthenticate(ADA)
    assert state(days) == (ACTIVE, None)
    assert days.world.grant(ADA).refused_by is None
    days.run(3)
    assert days.alerts() == [DOWN, UP]


def test_a_daily_probe_is_due_at_each_daily_audit(days: Days):
    days.world.sandbox.add_fault("gmail", name="gmail.mail_service_not_enabled")
    days.run(1, every=DAILY_PROBE_SECONDS + 1)
    for expected in range(1, 4):
        days.audit()
        assert refused_calls(days) == 1 + expected
        days.audit()  # a second one on the same day asks nothing
        assert refused_calls(days) == 1 + expected
        days.passes(DAY - 600)  # an audit may begin some minutes earlier than the day before


def test_a_healthy_grant_is_refreshed_by_each_daily_audit(days: Days):
    before = days.world.token_requests()
    for day in range(1, 4):
        days.passes(DAY - 600)
        days.audit()
        assert days.world.token_requests() == before + day


@pytest.mark.parametrize("cause", ["bad_request", "empty_description"])
def test_an_ambiguous_refusal_leaves_a_flagged_mailbox_flagged(days: Days, cause: str):
    days.world.sandbox.add_fault("gmail", name="gmail.mail_service_not_enabled")
    days.run()
    days.world.sandbox.revoke_grants(ADA, cause=cause)
    for _ in range(3):
        days.passes(DAY)
        days.audit()
    assert state(days) == (DISABLED, "gmail_disabled")
    assert days.alerts() == [DOWN]

"""An answer of Gmail belongs to the access token that was used: a consent meanwhile is not flagged by it."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.db.models import GrantState
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.errors import GmailError
from support.workers import hook
from support.world import World

ADA = "ada@warm.example"
REFUSALS = (
    "gmail.domain_policy",
    "gmail.insufficient_scope",
    "gmail.mail_service_not_enabled",
    "gmail.failed_precondition",
    "gmail.auth_error",
)


def replace_before_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the owner sign in again while a request is under way: before its error reaches the hook."""
    execute = GmailClient._execute_request

    def execute_slowly(self: GmailClient, request: Any) -> Any:
        try:
            return execute(self, request)
        except GmailError:
            monkeypatch.undo()
            world.reauthenticate(ADA)
            raise

    monkeypatch.setattr(GmailClient, "_execute_request", execute_slowly)


@pytest.mark.parametrize("fault", REFUSALS)
@pytest.mark.parametrize("expired", [False, True], ids=["stored token", "refreshed token"])
def test_a_late_refusal_of_gmail_leaves_a_newer_grant_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str, expired: bool
):
    world.add(ADA, expired=expired)
    world.sandbox.add_fault("gmail", name=fault)
    replace_before_answer(world, monkeypatch)
    with pytest.raises(GmailError):
        hook(world, ADA).get_profile()
    grant = world.grant(ADA)
    assert (grant.state, grant.reason) == (GrantState.ACTIVE, None)
    assert [event[2] for event in world.events(ADA)][-1] == "consent"
    world.sandbox.clear_faults()
    assert hook(world, ADA).get_profile().address == ADA


@pytest.mark.parametrize("fault", REFUSALS)
@pytest.mark.parametrize("expired", [False, True], ids=["stored token", "refreshed token"])
def test_a_refusal_of_the_present_grant_is_recorded(world: World, fault: str, expired: bool):
    world.add(ADA, expired=expired)
    world.sandbox.add_fault("gmail", name=fault)
    with pytest.raises(GmailError):
        hook(world, ADA).get_profile()
    assert world.grant(ADA).state is not GrantState.ACTIVE

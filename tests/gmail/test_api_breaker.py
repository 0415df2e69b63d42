"""Where the Gmail API is switched off, one mailbox finds out and the others are spared."""

from __future__ import annotations

import pytest

from gmail_warmup.db.models import GrantState
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.gmail.errors import GmailApiDisabledError
from gmail_warmup.oauth.errors import CircuitOpenError
from support.workers import hook
from support.world import CLIENT_ID, World


def work(world: World, address: str) -> None:
    mailbox_id = world.grant(address).mailbox_id
    with require_api_enabled(world.store.engine, lambda: CLIENT_ID, mailbox_id=mailbox_id, address=address):
        hook(world, address).get_profile()


def test_the_api_switched_off_is_one_incident_that_ends_by_itself(world: World):
    for name in ("ada", "bob", "cleo"):
        world.add(f"{name}@pool.example", expired=False)
    world.sandbox.add_fault("gmail", name="gmail.access_not_configured")
    with pytest.raises(GmailApiDisabledError):
        work(world, "ada@pool.example")
    for name in ("bob", "cleo"):
        with pytest.raises(CircuitOpenError, match="switched off"):
            work(world, f"{name}@pool.example")
    assert world.grant("ada@pool.example").state is GrantState.ACTIVE
    assert world.rows("SELECT kind, reason, closed_at IS NULL FROM gmail_warmup.incident") == [
        ("app_error", "api_disabled", True)
    ]
    world.sandbox.clear_faults()
    world.sql("UPDATE gmail_warmup.breaker SET cooldown_until = now()")
    work(world, "bob@pool.example")
    work(world, "cleo@pool.example")
    assert world.rows("SELECT closed_at IS NULL FROM gmail_warmup.incident") == [(False,)]

"""The number of mailboxes that wait for an action."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.warmup.planning.backlog import Backlog, count_backlog, count_backlogs
from support.mail_kit import POOL, act, due, everybody
from support.world import World


def mailboxes(world: World) -> dict[Action, int]:
    """Return the number of waiting mailboxes by action; both ways to count have to agree."""
    with read_transaction(world.store.engine) as connection:
        found = count_backlogs(connection)
        assert found == {action: count_backlog(connection, action) for action in Action}
    return {action: backlog.mailboxes for action, backlog in found.items()}


@pytest.fixture
def received(warm: World) -> World:
    """Return a world in which the pool has mails to read and to answer."""
    warm.settings = warm.settings.model_copy(update={"reply_rate": 100, "open_rate": 100})
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    everybody(warm, Action.READ)
    assert set(due(warm, Action.REPLY)) == set(POOL)
    return warm


def test_nothing_waits_before_the_first_mail(warm: World):
    with read_transaction(warm.store.engine) as connection:
        assert count_backlogs(connection)[Action.RESCUE] == Backlog(mailboxes=0, since=None)


def test_each_mailbox_is_counted_once_for_each_action(received: World):
    found = mailboxes(received)
    assert found[Action.REPLY] == len(POOL)
    assert found[Action.RESCUE] == 0
    with read_transaction(received.store.engine) as connection:
        since = count_backlog(connection, Action.REPLY).since
    assert since == received.rows("SELECT min(reply_due_at) FROM gmail_warmup.ledger")[0][0]


@pytest.mark.parametrize(
    ("change", "replying"),
    [
        ("UPDATE gmail_warmup.mailbox SET deferred_until = now() + interval '1 hour' WHERE address = :address", 1),
        ("UPDATE gmail_warmup.mailbox SET gmail_retry_at = now() + interval '1 hour' WHERE address = :address", 1),
        ("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address = :address", 1),
        ("UPDATE gmail_warmup.mailbox SET display_name = 'Pia' WHERE address = :address", 2),
    ],
)
def test_a_mailbox_that_may_not_reply_does_not_wait_for_it(received: World, change: str, replying: int):
    received.sql(change, address=POOL[0])
    assert mailboxes(received)[Action.REPLY] == replying


def test_a_mailbox_that_may_not_send_still_waits_for_what_sends_nothing(warm: World):
    act(warm, Action.SEND)
    assert mailboxes(warm)[Action.RESCUE] == len(POOL)
    warm.sql("UPDATE gmail_warmup.mailbox SET deferred_until = now() + interval '1 hour'")
    found = mailboxes(warm)
    assert (found[Action.SEND], found[Action.RESCUE]) == (0, len(POOL))

"""Sender and recipient of one mail record its outcomes at the same time without a deadlock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.warmup.actions.bounces import record_bounce
from gmail_warmup.warmup.ledger import daily_counters, rate_decisions, retention
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.retention import ExpiredMails
from support.interleaving import results, until_waiting
from support.mail_kit import ADA, POOL, act, everybody, find_at_night
from support.mail_kit import ledger as rows
from support.world import World

ACTIONS = {"placement": Action.RESCUE, "reading": Action.READ, "reply": Action.REPLY}


def bounce(connection: sa.Connection, entry_id: int) -> Any:
    found = Bounce(is_final=True, status="5.1.1", tokens=frozenset(), message_ids=frozenset())
    return record_bounce(connection, entry_id, "notice", found)


def touch_mail(connection: sa.Connection, entry_id: int) -> None:
    ledger.update_entry(connection, entry_id, locate_due_at=ledger.NOW)


def in_transaction(world: World, work: Callable[..., Any], *args: Any) -> Any:
    with write_transaction(world.store.engine) as connection:
        return work(connection, *args)


def test_a_bounce_waits_for_the_sender_before_it_locks_the_mail(warm: World):
    act(warm, Action.SEND)
    (entry, *_), sender_id = rows(warm), warm.mailbox(ADA).id
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(warm.store.engine) as connection:
            rate_decisions.load_rate_state(connection, sender_id, warm.settings)  # as the placement does
            running = pool.submit(in_transaction, warm, bounce, entry.id)
            until_waiting(warm, running)
            touch_mail(connection, entry.id)
        assert results([running]) == [True]


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_every_action_waits_for_the_sender_before_it_locks_the_mail(warm: World, action: Action):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100")
    act(warm, Action.SEND)
    if action is Action.READ:
        find_at_night(warm)
    elif action is Action.REPLY:
        everybody(warm, Action.RESCUE)
    sender_id = warm.mailbox(ADA).id
    ids = [row.id for row in rows(warm)]
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(warm.store.engine) as connection:
            daily_counters.lock_sender(connection, sender_id)
            running = pool.submit(act, warm, action, POOL[0])
            until_waiting(warm, running)
            for entry_id in ids:
                connection.execute(sa.update(L).where(L.id == entry_id).values(subject=L.subject))
        results([running])


def test_sender_and_recipient_that_trash_the_same_mails_do_not_deadlock(warm: World):
    act(warm, Action.SEND)
    first, second, *_ = (row.id for row in rows(warm))
    trashed = ExpiredMails(sent=[second], received=[first], message_ids=[])
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(warm.store.engine) as connection:
            touch_mail(connection, first)
            running = pool.submit(in_transaction, warm, retention.record_trashed, trashed)
            until_waiting(warm, running)
            touch_mail(connection, second)
        results([running])

"""A begun mail is finished, recorded or withdrawn, however late its mailbox works again, and whatever its kind."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.gmail.errors import GmailError
from gmail_warmup.warmup.ledger.maintenance import run_maintenance
from support.mail_kit import ADA, HEADER, POOL, act, counted, due, everybody, ledger, past, use
from support.workers import hook
from support.world import World


def lose_send_answer(world: World, action: Action, address: str) -> str:
    """Send a mail whose response is lost; return its token."""
    world.sandbox.add_fault("gmail.users.drafts.send", close=True, times=1, when="after")
    with pytest.raises(GmailError):
        act(world, action, address)
    world.sandbox.clear_faults()
    return str(next(row for row in ledger(world) if row.status == "drafted").token)


def flag(world: World, *, days: int) -> None:
    """Let time pass in which the mailboxes cannot be used, with daily maintenance; then they can."""
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    past(world, days=days)
    world.sandbox.advance(86_400 * days)
    run_maintenance(world.store.engine, world.settings)
    assert due(world, Action.SEND) == []
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL")
    for address in (ADA, *POOL):
        world.reauthenticate(address)


@pytest.mark.parametrize("days", [1, 21, 100, 300])
def test_a_sent_mail_is_recorded_however_late(warm: World, days: int):
    use(warm, history_months=1, ledger_days=40)
    token = lose_send_answer(warm, Action.SEND, ADA)
    flag(warm, days=days)
    assert ADA in due(warm, Action.SEND)
    act(warm, Action.SEND)
    (row,) = [row for row in ledger(warm) if row.token == token]
    assert (row.status, row.failure) == ("sent", None)
    assert len([mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == token]) == 1
    assert counted(warm, "failed") == (0,)


@pytest.mark.parametrize("days", [21, 100])
def test_a_sent_answer_is_recorded_however_late(warm: World, days: int):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100")
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    token = lose_send_answer(warm, Action.REPLY, POOL[0])
    flag(warm, days=days)
    assert POOL[0] in due(warm, Action.REPLY)
    act(warm, Action.REPLY, POOL[0])
    (row,) = [row for row in ledger(warm) if row.token == token]
    assert (row.status, row.failure) == ("sent", None)
    assert len([mail for mail in warm.sandbox.mails() if mail.headers.get(HEADER) == token]) == 1


@pytest.mark.parametrize("months", [1, 2, 3, 6, 11])
def test_a_mail_is_rescued_although_its_day_is_past_the_retention(warm: World, months: int):
    use(warm, history_months=months, ledger_days=40, missing_after=86_400 * 400)
    act(warm, Action.SEND)
    flag(warm, days=31 * months + 100)
    assert everybody(warm, Action.RESCUE)["placed_inbox"] == 6
    assert counted(warm, "inbox") == (6,)


def test_a_day_that_a_former_release_removed_stops_no_rescue(warm: World):
    act(warm, Action.SEND)
    warm.sql("DELETE FROM gmail_warmup.mailbox_day")
    assert everybody(warm, Action.RESCUE)["placed_inbox"] == 6
    everybody(warm, Action.READ, Action.REPLY)
    act(warm, Action.COLLECT)


def test_a_day_without_a_mail_in_the_ledger_is_removed(warm: World):
    act(warm, Action.SEND)
    past(warm, days=100)
    warm.sql("DELETE FROM gmail_warmup.ledger")
    run_maintenance(warm.store.engine, warm.settings.model_copy(update={"history_months": 1}))
    assert warm.rows("SELECT count(*) FROM gmail_warmup.mailbox_day") == [(0,)]


def begin(world: World, step: str) -> str:
    """Begin a mail that stops at a step, and let its mailbox join the pool; return its token."""
    when = {"create_draft": "before", "send_draft": "before", "answer": "after"}[step]
    where = "drafts.create" if step == "create_draft" else "drafts.send"
    world.sandbox.add_fault(f"gmail.users.{where}", close=True, times=1, when=when)
    with pytest.raises(GmailError):
        act(world, Action.SEND)
    world.sandbox.clear_faults()
    world.sql("UPDATE gmail_warmup.mailbox SET kind = 'pool' WHERE address = :ada", ada=ADA)
    (row,) = ledger(world)
    return str(row.token)


@pytest.mark.parametrize("step", ["create_draft", "send_draft", "answer"])
def test_a_mailbox_that_joins_the_pool_finishes_its_begun_mail(warm: World, step: str):
    token = begin(warm, step)
    assert due(warm, Action.SEND) == [ADA]
    act(warm, Action.SEND)
    assert [(row.token, row.status) for row in ledger(warm)] == [(token, "sent")], "and begins no other mail"
    assert [mail.headers[HEADER] for mail in warm.sandbox.mails()] == [token]
    assert due(warm, Action.SEND) == []


@pytest.mark.parametrize(("step", "status"), [("create_draft", "failed"), ("send_draft", "failed"), ("answer", "sent")])
def test_a_mailbox_that_joins_the_pool_withdraws_it_on_a_later_day(warm: World, step: str, status: str):
    begin(warm, step)
    past(warm, days=1)
    act(warm, Action.SEND)
    assert [row.status for row in ledger(warm)] == [status]
    assert hook(warm, ADA).search_messages("in:draft", limit=5) == []
    assert due(warm, Action.SEND) == []


def test_an_answer_that_was_begun_is_finished_by_a_mailbox_that_leaves_the_pool(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100")
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    token = lose_send_answer(warm, Action.REPLY, POOL[0])
    warm.sql("UPDATE gmail_warmup.mailbox SET kind = 'warmup' WHERE address = :pool", pool=POOL[0])
    assert POOL[0] in due(warm, Action.REPLY)
    act(warm, Action.REPLY, POOL[0])
    assert [row.status for row in ledger(warm) if row.token == token] == ["sent"]

"""The invariants themselves: all hold over a thread of mails that nothing disturbed, and each one can fail."""

from __future__ import annotations

import base64
from collections import Counter

import pytest
import sqlalchemy as sa

from chaos.faults import Fault
from chaos.invariants import Invariants
from chaos.runs import names, run
from support.workers import hook
from support.world import World


@pytest.fixture
def invariants(world: World) -> Invariants:
    """A mail that was sent, read, answered and collected."""
    for address in names("pool", 1, "pool.example"):
        world.add(address, kind="pool", expired=False)
    for address in names("ada", 1):
        world.add(address, kind="warmup", expired=False, open_rate=100, reply_rate=100)
    made = Invariants(Fault("none", injected=1), world)
    made.remember()
    for _ in range(2):
        last = run(world)
    made.next_run_clean(last.errors, last.done)
    return made


BROKEN = {
    "UPDATE ledger SET status = 'claimed', sent_at = NULL WHERE id = 1": "a mail is claimed in the ledger and sent",
    "UPDATE ledger SET status = 'failed', failure = 'draft_gone' WHERE id = 1": "a mail is failed in the ledger",
    "UPDATE ledger SET token = 'another' WHERE id = 1": "1 mails at Google are not in the ledger",
    "UPDATE ledger SET read_at = NULL WHERE id = 1": "the mail 1 stopped on its way",
    "UPDATE mailbox_day SET sent = sent + 1": "1 mails on a day that counts 2",
    "UPDATE oauth_grant SET state = 'suspect' WHERE mailbox_id = 1": "pool0000@pool.example is suspect in the end",
    "INSERT INTO grant_event (mailbox_id, actor, from_state, to_state) VALUES (1, '', 'x', 'suspect')": "was suspect",
    "UPDATE mailbox SET lease_until = now() + interval '1 minute' WHERE id = 1": "1 leases of mailbox are left",
    "UPDATE oauth_grant SET lease_until = now() + interval '1 minute'": "2 leases of oauth_grant are left",
    "UPDATE oauth_grant SET refresh_token = 'x' WHERE mailbox_id = 1": "another refresh token is stored",
}
"""What somebody broke in the schema, and in which words it is found."""


def test_they_hold_where_nothing_happened(invariants: Invariants):
    invariants.check()
    invariants.fault.hold()
    assert invariants.fault.checked > 15


@pytest.mark.parametrize("statement", BROKEN)
def test_each_one_can_fail(invariants: Invariants, statement: str):
    invariants.world.sql(f"SET LOCAL search_path = gmail_warmup; {statement}")
    invariants.check()
    assert any(BROKEN[statement] in violation for violation in invariants.fault.violations)


def test_a_mail_that_goes_out_twice_is_found(invariants: Invariants):
    (mail, *_) = invariants.world.sandbox.mails()
    gmail = hook(invariants.world, mail.sender)
    gmail.send_draft(gmail.create_draft(base64.urlsafe_b64encode(gmail.get_raw_message(mail.message_id)).decode()).id)
    invariants.check()
    assert "a mail was sent 2 times" in invariants.fault.violations


def test_a_newer_grant_that_is_overwritten_is_found(invariants: Invariants):
    address = names("ada", 1)[0]
    invariants.tokens[address] = "1//newer"
    invariants.check()
    assert invariants.fault.violations == [f"{address}: another refresh token is stored"]


def test_a_transaction_that_is_left_is_found(invariants: Invariants):
    with invariants.world.store.engine.begin() as connection:
        connection.execute(sa.text("SELECT * FROM gmail_warmup.mailbox FOR UPDATE"))
        invariants.check()
    assert invariants.fault.violations == ["1 transactions are left open"]


def test_a_next_run_that_fails_or_finds_work_is_found(invariants: Invariants):
    invariants.next_run_clean(Counter(GmailUnavailableError=1), Counter(sent=1))
    assert len(invariants.fault.violations) == 2

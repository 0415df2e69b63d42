"""Seven revoked grants are repaired in a real browser: one click, and then one consent after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from support.e2e_kit import Google, Shell

pytestmark = pytest.mark.e2e

SEVEN = [f"box{number}@queue.test" for number in range(1, 8)]


@pytest.fixture
def queue(shell, mailboxes) -> Google:
    """The consent page of the first of seven mailboxes."""
    for address in SEVEN:
        mailboxes.flagged(address)
    shell.open("/mailboxes?state=needs_reauth&domain=queue.test")
    shell.frame.get_by_role("button", name="Sign in again (7)").click()
    return Google(shell.page)


def test_seven_repairs_take_seven_consents(queue: Google, shell, mailboxes):
    for address in SEVEN:
        expect(queue.page.locator("#account")).to_have_value(address)
        queue.allow()
    expect(shell.frame.locator("#summary")).to_contain_text("7 repaired, 0 skipped, 0 failed.")
    assert "/plugin/gmail-accounts" in shell.page.url
    assert {mailboxes.state(address) for address in SEVEN} == {"active"}


def test_the_queue_survives_going_back_a_refusal_and_a_skip(queue: Google, shell):
    queue.wait()
    shell.page.go_back()
    sign_in = shell.frame.get_by_role("button", name="Sign in (1 of 7)")
    expect(sign_in).to_be_visible()
    sign_in.click()
    queue.cancel()
    failed = shell.frame.locator(f'li[data-address="{SEVEN[0]}"]')
    expect(failed).to_contain_text("Consent was cancelled at Google")
    shell.frame.get_by_role("button", name="Skip").click()
    expect(shell.frame.locator("#progress")).to_have_text("3 of 7")
    shell.frame.get_by_role("button", name="Sign in (3 of 7)").click()
    for address in SEVEN[2:]:
        expect(queue.page.locator("#account")).to_have_value(address)
        queue.allow()
    expect(shell.frame.locator("#summary")).to_contain_text("5 repaired, 1 skipped, 1 failed.")
    shell.frame.get_by_role("button", name="Sign in for the other 2").click()
    for address in SEVEN[:2]:
        expect(queue.page.locator("#account")).to_have_value(address)
        queue.allow()
    expect(shell.frame.locator("#summary")).to_contain_text("7 repaired, 0 skipped, 0 failed.")


def expect_question(queue: Google, address: str, evidence: str) -> None:
    expect(queue.page.locator("main[data-refusal=wrong_account]")).to_be_visible()
    expect(queue.page.get_by_role("heading", name=f"Is {address} the same account?")).to_be_visible()
    expect(queue.page.get_by_text(evidence)).to_be_visible()


def expect_failed(shell: Shell, address: str) -> None:
    failed = shell.frame.locator(f'li[data-address="{address}"]')
    expect(failed).to_contain_text("Failed")
    expect(failed).to_contain_text("A different account signed in")
    assert "/plugin/gmail-accounts" in shell.page.url


def test_the_queue_continues_after_another_account_signed_in(installation, shell, queue: Google, record_mail):
    """The first mailbox has no recorded mail; that of the second is in its account, which was renamed at Google."""
    new, stranger = "box2.new@queue.test", "stranger@queue.test"
    sandbox = installation.sandbox
    sandbox.put_mailbox(stranger)
    queue.allow(stranger)
    expect_question(queue, stranger, f"No mail of {SEVEN[0]} is recorded yet")
    queue.page.get_by_role("button", name="Start again").click()
    assert queue.suggested == SEVEN[0]
    queue.allow(stranger)
    expect_question(queue, stranger, f"No mail of {SEVEN[0]} is recorded yet")
    queue.page.get_by_role("link", name="Back to the repair queue").click()
    expect_failed(shell, SEVEN[0])

    record_mail(SEVEN[1])
    shell.frame.get_by_role("button", name="Sign in (2 of 7)").click()
    queue.allow(stranger)
    expect_failed(shell, SEVEN[1])  # that account lacks the mail, so there is nothing to decide
    sandbox.rename_mailbox(SEVEN[1], new)
    shell.frame.get_by_role("button", name=f"Sign in for {SEVEN[1]}").click()
    queue.allow(new)
    expect_question(queue, new, f"A warmup mail of {SEVEN[1]} is in this account")
    queue.page.get_by_role("button", name="Yes, it is the same").click()
    expect(shell.frame.locator(f'li[data-address="{new}"]')).to_contain_text("Repaired")

    shell.frame.get_by_role("button", name="Sign in (3 of 7)").click()
    for address in SEVEN[2:]:
        expect(queue.page.locator("#account")).to_have_value(address)
        queue.allow()
    expect(shell.frame.locator("#summary")).to_contain_text("6 repaired, 0 skipped, 1 failed.")


@pytest.fixture
def record_mail(installation) -> Callable[[str], None]:
    """Return a function that puts a mail into a mailbox and records that it sent it."""

    def record(address: str) -> None:
        mail = installation.sandbox.deliver(address, sender=address, subject="Notes", labels=["SENT"])
        installation.rows(
            "WITH day AS (INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, ramp, planned)"
            " SELECT id, current_date, 1, 1 FROM gmail_warmup.mailbox WHERE address = :address RETURNING *)"
            " INSERT INTO gmail_warmup.ledger"
            " (token, sender_id, local_date, slot, due_at, status, subject, rfc_message_id, gmail_id)"
            " SELECT 'recorded', mailbox_id, local_date, 1, now(), 'sent', 'Notes', :rfc, :gmail FROM day",
            address=address, rfc=mail.rfc_message_id, gmail=mail.message_id,
        )  # fmt: skip

    return record

"""Seven revoked grants are repaired in a real browser: one click, and then one consent after the other."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.e2e_kit import Google

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

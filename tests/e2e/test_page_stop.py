"""The brakes on the page: stop everything and start again, and let a mailbox send once more that its health stopped."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

ADA = "ada@stop.test"


@pytest.fixture
def running(mailboxes):
    """Leave nothing stopped behind, whatever becomes of the test."""
    yield mailboxes
    mailboxes.installation.rows(
        "UPDATE gmail_warmup.halt SET ended_at = now(), ended_by = 'test' WHERE ended_at IS NULL"
    )


def halts(mailboxes) -> list[tuple[str, bool]]:
    return mailboxes.installation.rows(
        "SELECT reason, ended_at IS NULL FROM gmail_warmup.halt ORDER BY id DESC LIMIT 1"
    )


def test_everything_is_stopped_with_a_reason_and_started_again(shell, running):
    running.add(ADA, kind="warmup")
    frame = shell.open("/")
    frame.get_by_role("button", name="Stop all sending").click()
    dialog = frame.get_by_role("dialog", name="Stop all sending")
    dialog.get_by_role("button", name="Stop everything").click()
    expect(dialog.locator("#reason-error")).to_be_visible()
    assert not any(goes_on for _, goes_on in halts(running)), "nothing is stopped without a reason"
    dialog.get_by_label("Reason").fill("wrong template")
    dialog.get_by_role("button", name="Stop everything").click()
    banner = frame.locator("#halt")
    expect(banner).to_contain_text("Everything is stopped")
    expect(banner).to_contain_text("wrong template")
    assert halts(running) == [("wrong template", True)]
    expect(frame.get_by_role("button", name="Stop all sending")).to_have_count(0)
    banner.get_by_role("button", name="Start again").click()
    frame.get_by_role("dialog", name="Start again").get_by_role("button", name="Start again").click()
    expect(frame.get_by_role("button", name="Stop all sending")).to_be_visible()
    expect(banner).to_have_count(0)
    assert halts(running) == [("wrong template", False)]


def test_a_blocked_mailbox_is_let_send_a_fresh_sample(shell, mailboxes):
    mailboxes.add(ADA, kind="warmup")
    mailboxes.installation.rows(
        "UPDATE gmail_warmup.mailbox SET band = 'blocked', band_reason = 'spam_mostly', band_since = now()"
        " WHERE address = :address", address=ADA
    )  # fmt: skip
    frame = shell.open(f"/mailboxes/{ADA}")
    frame.get_by_role("button", name="Requalify").click()
    expect(frame.get_by_text("The mailbox may send a small fresh sample.")).to_be_visible()
    expect(frame.get_by_role("button", name="Requalify")).to_have_count(0)
    health = mailboxes.ask("GET", f"/mailboxes/{ADA}")["health"]
    assert (health["band"], health["can_requalify"]) == ("paused", False)

"""An invite: made by an operator, followed by the mailbox's owner in a browser that knows nothing of Airflow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.e2e_kit import Google

pytestmark = pytest.mark.e2e

ADA, OTHER = "ada@invites.test", "other@invites.test"


def invite(shell, address: str) -> str:
    """Make a link in the list; return it."""
    frame = shell.find(address)
    shell.row(address).get_by_role("checkbox").check()
    frame.get_by_role("button", name="Invite", exact=True).click()
    frame.get_by_role("dialog").get_by_role("button", name="Create the links").click()
    link = frame.locator("#links .link input")
    link.wait_for()
    return link.input_value()


def owner(visits, link: str) -> Page:
    """Open a link in a browser of somebody who has no login."""
    page = visits.stranger()
    page.goto(link)
    return page


def test_an_owner_without_a_login_connects_a_mailbox(shell, visits, mailboxes):
    mailboxes.add(ADA)
    link = invite(shell, ADA)
    page = owner(visits, link)
    expect(page.get_by_role("heading", name="Connect your mailbox")).to_be_visible()
    expect(page.get_by_text(ADA).first).to_be_visible()
    assert "Airflow" not in page.content()
    page.get_by_role("button", name="Continue to Google").click()
    google = Google(page)
    assert google.suggested == ADA
    google.allow()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert "Airflow" not in page.content()
    assert [cookie["name"] for cookie in page.context.cookies() if cookie["name"] == "_token"] == []
    shell.find(ADA)
    expect(shell.row(ADA).get_by_text("Valid")).to_be_visible()
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()


def test_another_account_uses_nothing_up(installation, shell, visits, mailboxes):
    mailboxes.add(ADA)
    installation.sandbox.put_mailbox(OTHER)
    page = owner(visits, invite(shell, ADA))
    page.get_by_role("button", name="Continue to Google").click()
    Google(page).allow(OTHER)
    expect(page.locator("main[data-refusal=wrong_account]")).to_be_visible()
    assert mailboxes.state(ADA) == "needs_reauth"
    page.get_by_role("link", name="Open your link again").click()
    page.get_by_role("button", name="Continue to Google").click()
    Google(page).allow()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert mailboxes.state(ADA) == "active"


def test_a_revoked_link_opens_nothing(shell, visits, mailboxes):
    mailboxes.add(ADA)
    link = invite(shell, ADA)
    frame = shell.open(f"/invites?address={ADA}")
    frame.get_by_role("button", name="Revoke").click()
    expect(frame.get_by_role("table").get_by_text("Revoked")).to_be_visible()
    expect(owner(visits, link).get_by_role("heading", name="This link is no longer valid")).to_be_visible()

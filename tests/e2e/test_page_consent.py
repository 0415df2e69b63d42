"""Adding and re-authenticating through Airflow's shell and Google's page, and what is refused on the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from support.e2e_kit import Google
from web.kit import at_google

pytestmark = pytest.mark.e2e

ADA, OTHER = "ada@consent.test", "other@consent.test"


def test_a_mailbox_is_added(installation, shell, mailboxes):
    installation.sandbox.put_mailbox(ADA)
    frame = shell.open()
    frame.get_by_role("button", name="Add mailbox").click()
    form = frame.get_by_role("dialog", name="Add a mailbox")
    form.get_by_label("Address").fill("Ada@consent")
    form.get_by_label("Mails a day").fill("5000")
    form.get_by_role("button", name="Continue to Google").click()
    expect(form.get_by_text("is not a mail address")).to_be_visible()
    expect(form.get_by_text("must be a whole number from 1 to 2000")).to_be_visible()
    form.get_by_label("Address").fill("Ada@consent.test")
    form.get_by_label("Mails a day").fill("40")
    form.get_by_label("Warmup").check()
    form.get_by_role("button", name="Continue to Google").click()
    google = Google(shell.page)
    assert google.suggested == ADA
    google.allow()
    expect(shell.frame.get_by_text(f"{ADA} is connected")).to_be_visible()
    assert "/plugin/gmail-accounts" in shell.page.url
    added = mailboxes.ask("GET", f"/mailboxes/{ADA}")
    assert (added["state"], added["daily_target"], added["timezone"]) == ("active", 40, "Europe/Berlin")


def test_a_flagged_mailbox_works_again_after_one_consent(installation, shell, mailboxes):
    mailboxes.flagged(ADA, kind="warmup", daily_target=33)
    mailboxes.ask("POST", "/mailboxes/pause", json={"addresses": [ADA], "reason": "holiday"})
    shell.find(ADA)
    expect(shell.row(ADA).get_by_text("Needs re-authentication")).to_be_visible()
    shell.start(ADA).allow()
    expect(shell.frame.get_by_text(f"{ADA} works again")).to_be_visible()
    box = mailboxes.ask("GET", f"/mailboxes/{ADA}")
    assert (box["state"], box["daily_target"], box["pause_reason"]) == ("active", 33, "holiday")
    shell.page.reload()
    shell.wait()
    expect(shell.frame.get_by_text(f"{ADA} works again")).to_have_count(0)


@dataclass(frozen=True)
class Refused:
    """What a person does at Google, and the page that this must lead to."""

    refusal: str
    act: Callable[[Google], None]
    words: tuple[str, ...]


def untick(google: Google) -> None:
    google.untick_gmail()
    google.allow()


REFUSED = [
    Refused("wrong_account", lambda google: google.allow(OTHER), (f"for {ADA}, but {OTHER} signed in",)),
    Refused("scope_unticked", untick, ("on Google's page was not ticked",)),
    Refused("cancelled", Google.cancel, ("access was not allowed",)),
]


def expect_refusal(page: Page, refusal: str) -> None:
    expect(page.locator(f"main[data-refusal={refusal}]")).to_be_visible()
    expect(page.get_by_text("Nothing was changed")).to_be_visible()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.refusal)
def test_a_refused_consent_changes_nothing_and_starts_again(installation, shell, mailboxes, case: Refused):
    mailboxes.flagged(ADA)
    installation.sandbox.put_mailbox(OTHER)
    case.act(shell.start(ADA).wait())
    page = shell.page
    expect_refusal(page, case.refusal)
    for words in case.words:
        expect(page.locator("#happened")).to_contain_text(words)
    assert mailboxes.state(ADA) == "needs_reauth"
    page.get_by_role("button", name="Start again").click()
    Google(page).allow()
    expect(shell.frame.get_by_text(f"{ADA} works again")).to_be_visible()


def test_a_refusal_leads_back_to_its_mailbox(shell, mailboxes):
    mailboxes.flagged(ADA)
    shell.start(ADA).cancel()
    shell.page.get_by_role("link", name="Back to Gmail accounts").click()
    expect(shell.frame.locator("#focus")).to_contain_text(ADA)
    assert "/plugin/gmail-accounts" in shell.page.url


def test_a_link_counts_once(shell, mailboxes):
    mailboxes.flagged(ADA)
    callback = at_google(shell.start(ADA).wait().page.url, ADA)
    shell.page.goto(callback)
    expect(shell.frame.get_by_text(f"{ADA} works again")).to_be_visible()
    shell.page.goto(callback)
    expect_refusal(shell.page, "replayed_link")
    assert mailboxes.state(ADA) == "active"


def test_a_link_expires(installation, shell, mailboxes):
    mailboxes.flagged(ADA)
    google = shell.start(ADA).wait()
    installation.rows("UPDATE gmail_warmup.consent SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
    google.allow()
    expect_refusal(shell.page, "expired_link")
    assert mailboxes.state(ADA) == "needs_reauth"


def test_a_link_is_of_its_browser(visits, shell, mailboxes, login):
    mailboxes.flagged(ADA)
    callback = at_google(shell.start(ADA).wait().page.url, ADA)
    other = visits.stranger(login)
    other.goto(callback)
    expect_refusal(other, "unknown_link")
    assert mailboxes.state(ADA) == "needs_reauth"

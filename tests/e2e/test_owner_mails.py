"""A grant is revoked, its owner is mailed by a real scheduler, and repairs it through the link in another browser."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from playwright.sync_api import expect

from support.e2e_kit import Google
from support.owner_mail_kit import OLIVIA, links_in, move_times

pytestmark = pytest.mark.e2e

AUDIT, MONITOR = "gmail_token_health", "gmail_monitor"
ADA, BOB = "ada@owned.test", "bob@owned.test"


@pytest.fixture(scope="module", autouse=True)
def audited(installation) -> None:
    """Flag what is revoked already, so that one more revoked grant is no mass refusal."""
    installation.run(AUDIT)


@pytest.fixture
def owned(shell, mailboxes) -> str:
    """Set owner and tag of two mailboxes in the list."""
    for address in (ADA, BOB):
        mailboxes.connected(address)
    frame = shell.find("owned.test")
    frame.get_by_label("Select this page").check()
    frame.get_by_role("button", name="Edit").click()
    dialog = frame.get_by_role("dialog", name="Edit 2 mailboxes")
    dialog.get_by_label("Owner").fill(OLIVIA)
    dialog.get_by_label("Add tags").fill("north")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    shell.open("/mailboxes?tag=north")
    expect(shell.frame.locator("tr[data-address]")).to_have_count(2)
    return ADA


def mails_of(installation, dag_id: str, conf: dict[str, bool] | None = None) -> list[EmailMessage]:
    """Run a DAG; return what its task mailed to owners."""
    before = len(installation.post.mails)
    run, tasks = installation.run(dag_id, conf)
    assert run.state == "success"
    assert [task.state for task in tasks if task.task_id == "alerts"] == ["success"]
    return installation.post.mails[before:]


def test_an_owner_is_mailed_reminded_and_left_alone_after_the_repair(installation, visits, mailboxes, owned):
    installation.sandbox.revoke_grants(owned, cause="revoked")
    (first,) = mails_of(installation, AUDIT, {"force": True})
    assert (first["To"], mailboxes.state(owned)) == (OLIVIA, "needs_reauth")
    assert mails_of(installation, MONITOR) == []
    move_times(installation.rows, days=2)
    (reminder,) = mails_of(installation, MONITOR)
    base_url = installation.stack.base_url
    (old_link,), (link,) = (links_in(mail.get_content(), base_url) for mail in (first, reminder))
    assert old_link != link

    page = visits.stranger()
    page.goto(link)
    expect(page.get_by_text(owned).first).to_be_visible()
    page.get_by_role("button", name="Continue to Google").click()
    google = Google(page)
    assert google.suggested == owned
    google.allow()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert mailboxes.state(owned) == "active"

    move_times(installation.rows, days=6)
    assert mails_of(installation, MONITOR) == []
    changes = mailboxes.ask("GET", "/changes", params={"mailbox": owned, "action": "owner_mail"})["changes"]
    assert [change["after"]["owner_email"] for change in changes] == [OLIVIA, OLIVIA]
    sent = [payload for payload in installation.inbox.payloads if payload["data"]["address"] == owned]
    assert [payload["type"] for payload in sent][-2:] == ["mailbox.needs_reauth", "mailbox.recovered"]
    assert installation.inbox.forged == 0
    events = installation.stack.api.list_all("/assets/events", "asset_events")
    reported = [event["uri"].rstrip("/") for event in events if owned in event["extra"]["addresses"]]
    assert sorted(reported) == ["gmail-warmup://needs-reauth", "gmail-warmup://recovered"]

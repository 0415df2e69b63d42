"""The directory of a Workspace in the browser: a misspelt unit, the preview, and the mailboxes that are then added."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.workspace import ADMIN, ROBOT, put_workspace, to_connection

pytestmark = pytest.mark.e2e

ADA, BEN = "ada@work.example", "ben@work.example"


@pytest.fixture
def workspace(installation) -> Iterator[None]:
    """Put the directory at Google and the key of its service account into Airflow; delete both mailboxes afterwards."""
    stack, sandbox = installation.stack, installation.sandbox
    robot = sandbox.put_service_account(ROBOT)
    put_workspace(sandbox, robot)
    users = [{"address": ADA, "org_unit": "/Sales"}, {"address": BEN, "org_unit": "/Sales", "suspended": True}]
    sandbox.put_directory([{"address": ADMIN, "is_admin": True}, *users])
    account = json.loads(to_connection(robot))
    body = {"connection_id": "google_cloud_default"} | account | {"extra": json.dumps(account["extra"])}
    stack.api.request("POST", "/connections", json=body)
    yield
    stack.api.request("DELETE", "/connections/google_cloud_default")
    installation.rows("DELETE FROM gmail_warmup.mailbox WHERE address LIKE '%@work.example'")


def test_a_preview_is_applied_and_input_is_kept_after_an_error(workspace, shell, mailboxes):
    frame = shell.open("/import")
    frame.get_by_role("link", name="Compare with the directory").click()
    frame.get_by_label("Administrator").fill(ADMIN)
    frame.get_by_label("Organisational units").fill("/Sales\n/Slaes")
    frame.get_by_role("radio", name="Pool").check()
    frame.get_by_role("button", name="Preview").click()
    expect(frame.get_by_role("alert").filter(visible=True)).to_contain_text("No user of the Workspace is in /Slaes")
    expect(frame.get_by_label("Administrator")).to_have_value(ADMIN)

    frame.get_by_label("Organisational units").fill("/Sales")
    frame.get_by_role("button", name="Preview").press("Enter")
    expect(frame.get_by_role("heading", name="Preview")).to_be_focused()
    rows = frame.locator("#lines tbody tr")
    expect(rows.filter(has_text=ADA)).to_contain_text("Add")
    expect(rows.filter(has_text=BEN)).to_contain_text("the user is suspended")
    frame.get_by_role("button", name="Apply these changes").click()
    expect(frame.get_by_role("heading", name="Result")).to_be_focused()
    expect(rows.filter(has_text=ADA)).to_contain_text("Added")
    expect(frame.locator("#verdict")).to_contain_text("Done: 1 added.")
    assert mailboxes.ask("GET", f"/mailboxes/{ADA}")["kind"] == "pool"


def test_without_a_service_account_the_page_says_what_is_needed(shell):
    frame = shell.open("/directory")
    expect(frame.locator("#no-account")).to_contain_text("google_cloud_default")
    expect(frame.get_by_text("admin.directory.user.readonly")).to_be_visible()

"""A second OAuth client in the browser: registered, given mailboxes by consents, retired and reopened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from support.e2e_kit import MOUNT, Google

pytestmark = pytest.mark.e2e

SECOND, SECOND_ID, SECRET = "client_two", "1234567890-second.apps.googleusercontent.com", "GOCSPX-second"
BOXES = ["ada@moving.test", "bob@moving.test"]


@pytest.fixture
def second(installation) -> Iterator[str]:
    """Create a second client at Google and its Connection in Airflow; return the id of the Connection."""
    stack, sandbox = installation.stack, installation.sandbox
    callback = f"{stack.base_url}{MOUNT}/oauth/callback"
    sandbox.put_client(SECOND_ID, client_secrets=[SECRET], redirect_uris=[callback], require_pkce=True)
    extra = json.dumps({"auth_uri": sandbox.auth_uri, "token_uri": sandbox.token_uri})
    connection = {"connection_id": SECOND, "conn_type": "gmail_oauth_client", "login": SECOND_ID, "password": SECRET}
    stack.api.request("POST", "/connections", json=connection | {"extra": extra})
    yield SECOND
    stack.api.request("DELETE", f"/connections/{SECOND}")
    installation.rows("DELETE FROM gmail_warmup.oauth_client WHERE conn_id = :id", id=SECOND)


def test_mailboxes_are_moved_to_a_second_client(installation, shell, mailboxes, second):
    for address in BOXES:
        mailboxes.connected(address)
    frame = shell.open("/clients")
    expect(frame.locator("#single")).to_be_visible()
    frame.get_by_role("button", name="Register a client").click()
    form = frame.get_by_role("dialog", name="Register a client")
    form.get_by_label("Connection").fill("client_missing")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("The Airflow Connection 'client_missing'")
    form.get_by_label("Connection").fill(second)
    form.get_by_label("Users that Google permits").fill("2")
    form.get_by_role("button", name="Save").click()
    row = frame.locator(f'tr[data-client="{second}"]')
    expect(row).to_contain_text("2 places left")

    frame.get_by_role("button", name=f"Move mailboxes to {second}").click()
    form = frame.get_by_role("dialog", name=f"Move mailboxes to {second}")
    form.get_by_label("Which mailboxes").select_option("domain")
    form.get_by_label("Domain").fill("moving.test")
    form.get_by_label("Domain").press("Tab")
    expect(form.get_by_role("status")).to_have_text("2 mailboxes will be moved. 2 of them take a place; 2 are left.")
    form.get_by_role("button", name="Start (2)").click()
    google = Google(shell.page)
    assert google.suggested == BOXES[0]
    assert parse_qs(urlsplit(shell.page.url).query)["client_id"] == [SECOND_ID]
    google.allow()
    expect(google.page.locator("#account")).to_have_value(BOXES[1])
    google.cancel()
    expect(shell.frame.get_by_role("heading", name=f"Move to {second}")).to_be_visible()
    expect(shell.frame.locator("#summary")).to_contain_text("1 moved, 0 skipped, 1 failed.")
    shell.frame.get_by_role("button", name="Move the other 1").click()
    google.allow()
    expect(shell.frame.locator("#summary")).to_contain_text("2 moved, 0 skipped, 0 failed.")
    assert {mailboxes.ask("GET", f"/mailboxes/{address}")["client_conn_id"] for address in BOXES} == {second}

    shell.frame.get_by_role("link", name="Back to the OAuth clients").click()
    expect(row).to_contain_text("0 places left")
    frame.get_by_role("button", name=f"Retire {second}").click()
    frame.get_by_role("dialog", name=f"Retire {second}").get_by_role("button", name="Retire").click()
    expect(frame.locator("#done")).to_have_text(f"{second} is retired.")
    expect(row).to_contain_text("Retiring")
    frame.get_by_role("button", name=f"Reopen {second}").click()
    frame.get_by_role("dialog", name=f"Reopen {second}").get_by_role("button", name="Reopen").click()
    expect(row).to_contain_text("Open")
    expect(row.get_by_role("link", name="2")).to_have_attribute("href", f"./mailboxes?client={second}")

"""axe-core finds no serious or critical violation on any page, light or dark.

The pages are looked at outside of Airflow's shell: they are the same there, and what the shell is like is not ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from gmail_embedded.installation import SANDBOX_CLIENT_ID
from support.e2e_kit import MOUNT
from support.refusal_kit import SHOWN, Refusals

pytestmark = pytest.mark.e2e

AXE = next((Path(__file__).parent / "vendor").glob("axe-*.min.js")).read_text(encoding="utf-8")
ADA, OTHER = "ada@axe.test", "other@axe.test"
BAD = f"address,kind,daily_target\n{ADA},pool,0\n{OTHER},pool,7\ncleo@axe.test,warmup,9\n"
MODES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def violations(page: Page) -> list[str]:
    """Return what axe finds in light and in dark, one line for each element."""
    page.evaluate(AXE)
    found = []
    for mode in MODES:
        page.emulate_media(color_scheme=mode, reduced_motion="reduce")  # no colour halfway to another one
        result: dict[str, Any] = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        found += [
            f"{mode}: {rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for rule in result["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
    return found


@pytest.fixture
def page(installation, visits, mailboxes) -> Page:
    """A page of an operator; there are mailboxes of different states, with an invite, a pause and some history."""
    mailboxes.flagged(ADA, kind="warmup")
    mailboxes.connected(OTHER)
    mailboxes.ask("POST", "/mailboxes/pause", json={"addresses": [OTHER], "reason": "away"})
    mailboxes.ask("POST", "/invites", json={"addresses": [ADA]})
    mailboxes.ask("POST", "/repairs", json={"filter": {"domain": "axe.test"}})
    installation.rows(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, claimed, sent, inbox, spam)"
        " SELECT id, current_date - 1, 9, 9, 9, 7, 2 FROM gmail_warmup.mailbox WHERE address = :address", address=ADA
    )  # fmt: skip
    return visits.page()


def look_at(page: Page, base_url: str, path: str) -> Page:
    page.goto(f"{base_url}{MOUNT}{path}")
    page.locator("h1:visible").first.wait_for()
    return page


PATHS = ["/", "/mailboxes?domain=axe.test", f"/mailboxes?reauth={ADA}", "/mailboxes?q=nobody", f"/mailboxes/{ADA}",
         f"/mailboxes/{OTHER}", "/import", "/invites", "/changes", "/report", "/repairs", "/clients", "/removals",
         "/directory", "/dag/gmail_warmup", "/dag/another", "/nothing"]  # fmt: skip


def test_pages(page: Page, visits):
    found = {path: violations(look_at(page, visits.stack.base_url, path)) for path in PATHS}
    assert not any(found.values()), found


@pytest.mark.parametrize("name", ["Pause", "Resume", "Edit", "Invite"])
def test_what_is_done_with_many(page: Page, visits, name: str):
    look_at(page, visits.stack.base_url, "/mailboxes?domain=axe.test").get_by_label("Select this page").check()
    page.locator("#bulk").get_by_role("button", name=name).click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    if name == "Invite":
        page.get_by_role("button", name="Create the links").click()
        page.locator("#links").wait_for()
        assert violations(page) == []


@pytest.mark.parametrize("name", ["Pause", "Rename", "Export data", "Remove"])
def test_the_dialogs_of_a_mailbox(page: Page, visits, name: str):
    look_at(page, visits.stack.base_url, f"/mailboxes/{ADA}").get_by_role("button", name=name, exact=True).click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("name", ["Register a client", "Change axe_client", "Retire axe_client",
                                  "Move mailboxes to axe_client"])  # fmt: skip
def test_the_dialogs_of_the_oauth_clients(page: Page, installation, visits, name: str):
    installation.rows("INSERT INTO gmail_warmup.oauth_client (conn_id, client_id) VALUES ('axe_client', 'axe')")
    try:
        look_at(page, visits.stack.base_url, "/clients").get_by_role("button", name=name).click()
        page.get_by_role("dialog").wait_for()
        assert violations(page) == []
    finally:
        installation.rows("DELETE FROM gmail_warmup.oauth_client WHERE conn_id = 'axe_client'")


def test_adding_with_its_errors(page: Page, visits):
    look_at(page, visits.stack.base_url, "/mailboxes").get_by_role("button", name="Add mailbox").click()
    assert violations(page) == []
    page.get_by_role("button", name="Continue to Google").click()
    page.locator("#address-error:visible").wait_for()
    assert violations(page) == []


def test_a_preview_with_bad_lines(page: Page, visits):
    look_at(page, visits.stack.base_url, "/import").locator("#text").fill(BAD)
    page.get_by_role("button", name="Preview").click()
    page.locator("#lines tbody tr").first.wait_for()
    page.locator("summary").first.is_visible()
    assert violations(page) == []


def test_an_invite_and_every_refusal(page: Page, installation, visits):
    refusals = Refusals(
        page=page, stranger=visits.stranger(), base_url=visits.stack.base_url, sandbox=installation.sandbox,
        sql=installation.rows, client_id=SANDBOX_CLIENT_ID, address=ADA, other=OTHER,
    )  # fmt: skip
    refusals.stranger.goto(refusals.invite())
    refusals.stranger.get_by_role("heading", name="Connect your mailbox").wait_for()
    assert violations(refusals.stranger) == []
    found = {refusal: violations(refusals.show(refusal)) for refusal in SHOWN}
    assert not any(found.values()), found

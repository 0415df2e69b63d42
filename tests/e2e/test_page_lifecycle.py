"""The end of a mailbox and its new name, in the browser: remove, export everything, rename."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

ADA, BOB, NEW = "ada@end.test", "bob@end.test", "ada.byron@end.test"


def test_a_mailbox_is_exported_and_removed_after_its_address_was_typed(shell, mailboxes):
    mailboxes.connected(ADA, kind="warmup", display_name="Ada Lovelace-Byron")
    frame = shell.open(f"/mailboxes/{ADA}")
    frame.get_by_role("button", name="Export data").click()
    dialog = frame.get_by_role("dialog", name=f"Export all data of {ADA}")
    expect(dialog.get_by_role("button", name="Download")).to_be_disabled()
    dialog.get_by_label("to confirm").fill(ADA)
    with shell.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    document = json.loads(Path(download.value.path()).read_text())
    assert document["tables"]["mailbox"][0]["display_name"] == "Ada Lovelace-Byron"
    frame.get_by_role("button", name="Remove", exact=True).click()
    dialog = frame.get_by_role("dialog", name=f"Remove {ADA}")
    dialog.get_by_label("to confirm").fill(BOB)
    expect(dialog.get_by_role("button", name="Remove")).to_be_disabled()
    dialog.get_by_label("Revoke the grant").check()
    dialog.get_by_label("to confirm").fill(ADA)
    dialog.get_by_role("button", name="Remove").click()
    expect(frame.locator("#done")).to_contain_text("Google revoked the grant.")
    expect(shell.row(ADA)).to_have_count(0)


def test_a_selection_is_removed_after_its_number_was_typed(shell, mailboxes):
    mailboxes.add(ADA)
    mailboxes.add(BOB)
    frame = shell.find("end.test")
    frame.get_by_label("Select this page").check()
    frame.get_by_role("button", name="Remove").click()
    dialog = frame.get_by_role("dialog", name="Remove 2 mailboxes")
    dialog.get_by_label("to confirm").fill("2")
    dialog.get_by_role("button", name="Remove").click()
    expect(frame.locator("#done")).to_contain_text("2 of 2 mailboxes are removed.")
    expect(shell.row(ADA)).to_have_count(0)


def test_a_mailbox_is_renamed_on_its_page_after_google_has_renamed_it(installation, shell, mailboxes):
    mailboxes.connected(ADA, kind="warmup", daily_target=33)
    frame = shell.open(f"/mailboxes/{ADA}")
    frame.get_by_role("button", name="Rename").click()
    dialog = frame.get_by_role("dialog", name=f"Rename {ADA}")
    dialog.get_by_label("New address").fill(NEW)
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog.get_by_role("alert")).to_contain_text(f"the primary address of this account is {ADA}, not {NEW}")
    installation.sandbox.rename_mailbox(ADA, NEW)
    dialog.get_by_role("button", name="Rename").click()
    expect(frame.get_by_role("heading", level=1)).to_have_text(NEW)
    expect(frame.locator("#done")).to_have_text(f"Renamed. The mailbox was {ADA} before.")
    assert mailboxes.ask("GET", f"/mailboxes/{NEW}")["daily_target"] == 33


def test_a_mailbox_that_google_renamed_is_renamed_after_confirmation(installation, shell, mailboxes):
    mailboxes.flagged(ADA, kind="warmup", daily_target=33)
    installation.sandbox.rename_mailbox(ADA, NEW)
    shell.start(ADA).allow(NEW)
    expect(shell.page.get_by_text(f"Is {NEW} the same account?")).to_be_visible()
    shell.page.get_by_role("button", name="Yes, it is the same").click()
    expect(shell.frame.get_by_text(f"{NEW} works again")).to_be_visible()
    box = mailboxes.ask("GET", f"/mailboxes/{NEW}")
    assert (box["state"], box["daily_target"]) == ("active", 33)

"""A file in the browser: its errors, its preview, and the import that does what was shown."""

from __future__ import annotations

import io
import json
import re

import openpyxl
import pytest
from playwright.sync_api import FilePayload, expect

from support.e2e_kit import MOUNT

pytestmark = pytest.mark.e2e

ADA = "ada@import.test"
BAD = f"address,kind,daily_target\n{ADA},pool,0\nben@import,pool,\ncleo@import.test,pool,9\n"
GOOD = f"address;kind;daily_target;display_name\r\n{ADA};pool;7;Ada Ä\r\ncleo@import.test;warmup;9;\r\n"


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": content}


def test_errors_are_mended_and_the_file_is_imported(shell, mailboxes):
    mailboxes.add(ADA)
    frame = shell.open("/import")
    frame.locator("#file").set_input_files(file("boxes.csv", BAD.encode()))
    rows = frame.locator("#lines tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("must be a whole number from 1 to 2000")
    expect(rows.nth(1)).to_contain_text("is not a mail address")
    expect(rows.nth(2)).to_contain_text("Add")
    expect(frame.get_by_role("button", name=re.compile("^Import"))).to_have_count(0)
    assert mailboxes.ask("GET", f"/mailboxes/{ADA}")["daily_target"] == 40

    frame.get_by_role("button", name="Choose another file").click()
    # As Excel saves "Unicode text" where the comma is the decimal sign.
    frame.locator("#file").set_input_files(file("boxes.csv", GOOD.encode("utf-16")))
    expect(rows.filter(has_text=ADA)).to_contain_text("40 → 7")
    frame.get_by_role("button", name="Import 2 mailboxes").click()
    expect(frame.get_by_role("heading", name="Imported: 1 mailbox added, 1 mailbox updated.")).to_be_focused()
    box = mailboxes.ask("GET", f"/mailboxes/{ADA}")
    assert (box["daily_target"], box["display_name"]) == (7, "Ada Ä")
    assert mailboxes.ask("GET", "/mailboxes/cleo@import.test")["kind"] == "warmup"


def test_what_changed_meanwhile_is_shown_before_it_is_imported(shell, mailboxes):
    mailboxes.add(ADA)
    frame = shell.open("/import")
    frame.get_by_label("Or paste its content").fill(f"address,kind,daily_target\n{ADA},pool,7\n")
    frame.get_by_role("button", name="Preview").click()
    expect(frame.locator("#lines")).to_contain_text("40 → 7")
    mailboxes.ask("POST", "/mailboxes/change", json={"addresses": [ADA], "changes": {"daily_target": 60}})
    frame.get_by_role("button", name="Import 1 mailbox").click()
    expect(frame.get_by_role("alert").filter(visible=True)).to_contain_text("nothing was imported")
    expect(frame.locator("#lines")).to_contain_text("60 → 7")
    assert mailboxes.ask("GET", f"/mailboxes/{ADA}")["daily_target"] == 60


def make_workbook(*rows: list[str]) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "warned"),
    [
        (f"address;kind;display_name\r\n{ADA};Pool;Zoë\r\n".encode("cp1252"), True),
        (make_workbook(["Address", "Kind", "Display name"], [ADA, "Pool", "Zoë"]), False),
    ],
    ids=["Windows-1252", "workbook"],
)
def test_a_file_of_excel_is_imported(shell, mailboxes, content: bytes, warned: bool):
    frame = shell.open("/import")
    frame.locator("#file").set_input_files(file("boxes", content))
    expect(frame.locator("#lines tbody tr")).to_have_count(1)
    expect(frame.locator("#preview-warning")).to_be_visible(visible=warned)
    frame.get_by_role("button", name="Import 1 mailbox").click()
    expect(frame.get_by_role("heading", name="Imported: 1 mailbox added.")).to_be_focused()
    assert mailboxes.ask("GET", f"/mailboxes/{ADA}")["display_name"] == "Zoë"


NOT_SENT = [
    (json.dumps([{"address": ADA, "oauth_token": {"refresh_token": "1//x"}}]).encode(), "contains refresh tokens"),
    (b'{"format": "gmail-warmup-backup", "version": 1}', "encrypted backup"),
    (
        json.dumps([{"address": ADA, "oauth_token": {"refresh_token": "1//x"}}]).encode("utf-16"),
        "contains refresh tokens",
    ),
    (make_workbook(["address", "kind", "oauth_token"]), "contains refresh tokens"),
    (b"x" * 5_000_001, "larger than 5 MB"),
    (b"", "Choose a file"),
]


def test_a_file_that_must_not_or_cannot_be_sent_stays_in_the_browser(shell):
    sent: list[str] = []
    frame = shell.open("/import")
    shell.page.on("request", lambda request: sent.append(request.url))
    for content, said in NOT_SENT:
        frame.locator("#file").set_input_files(file("boxes.csv", content))
        expect(frame.get_by_role("alert").filter(visible=True)).to_contain_text(said)
    assert [url for url in sent if MOUNT in url] == []


def test_every_mailbox_is_exported_from_the_page(shell, mailboxes):
    mailboxes.add(ADA)
    frame = shell.open("/import")
    with shell.page.expect_download() as download:
        frame.get_by_role("button", name="All as CSV").click()
    assert download.value.suggested_filename == "gmail-accounts.csv"
    assert ADA in download.value.path().read_text(encoding="utf-8-sig")

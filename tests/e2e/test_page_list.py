"""The list in Airflow's shell: choosing many mailboxes, and what is done with them at once."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

ADDRESSES = [f"{name}@bulk.test" for name in ("ada", "ben", "cleo")]


@pytest.fixture
def three(shell, mailboxes):
    """The list of three mailboxes, all of them chosen."""
    for address in ADDRESSES:
        mailboxes.add(address)
    frame = shell.open("/mailboxes?domain=bulk.test")
    frame.get_by_label("Select this page").check()
    expect(frame.locator("#picked")).to_have_text("3 mailboxes selected")
    return shell


def test_three_are_paused_and_resumed(three, mailboxes):
    frame = three.frame
    frame.locator("#bulk").get_by_role("button", name="Pause").click()
    dialog = frame.get_by_role("dialog", name="Pause 3 mailboxes")
    dialog.get_by_label("Reason").fill("moving house")
    dialog.get_by_role("button", name="Pause").click()
    expect(frame.get_by_text("3 mailboxes paused.")).to_be_visible()
    for address in ADDRESSES:
        expect(three.row(address)).to_contain_text("moving house")
    assert {mailboxes.ask("GET", f"/mailboxes/{address}")["pause_reason"] for address in ADDRESSES} == {"moving house"}
    three.wait().get_by_label("Select this page").check()
    frame.locator("#bulk").get_by_role("button", name="Resume").click()
    frame.get_by_role("dialog", name="Resume 3 mailboxes").get_by_role("button", name="Resume").click()
    expect(frame.get_by_text("3 mailboxes resumed.")).to_be_visible()
    assert {mailboxes.ask("GET", f"/mailboxes/{address}")["paused_at"] for address in ADDRESSES} == {None}


def test_three_are_exported(three, tmp_path: Path):
    with three.page.expect_download() as download:
        three.frame.locator("#bulk").get_by_role("button", name="Export").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "gmail-accounts.csv"
    with path.open(encoding="utf-8-sig", newline="") as opened:
        assert [row["address"] for row in csv.DictReader(opened)] == ADDRESSES


def test_only_what_was_touched_is_edited(three, mailboxes):
    mailboxes.ask("POST", "/mailboxes/change", json={"addresses": ADDRESSES[:1], "changes": {"open_rate": 12}})
    three.page.reload()
    frame = three.wait()
    frame.get_by_label("Select this page").check()
    frame.locator("#bulk").get_by_role("button", name="Edit").click()
    dialog = frame.get_by_role("dialog", name="Edit 3 mailboxes")
    dialog.get_by_label("Mails a day").fill("17")
    dialog.get_by_role("button", name="Save").click()
    expect(frame.get_by_text("3 mailboxes changed.")).to_be_visible()
    found = [mailboxes.ask("GET", f"/mailboxes/{address}") for address in ADDRESSES]
    assert [(box["daily_target"], box["open_rate"]) for box in found] == [(17, 12), (17, 80), (17, 80)]

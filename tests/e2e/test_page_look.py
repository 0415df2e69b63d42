"""At home in Airflow's shell: its colours, a narrow screen, a keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.e2e_kit import MOUNT, VIEW, Google, Shell

pytestmark = pytest.mark.e2e

ADA = "ada@look.test"


def switch(shell: Shell, mode: str) -> None:
    """Use the shell's own switch."""
    shell.page.get_by_role("button", name="User").click()
    shell.page.get_by_role("menuitem", name="Appearance").hover()
    shell.page.get_by_role("menuitemradio", name=mode).click()


def test_the_page_follows_the_shells_switch(visits, login):
    shell = Shell(visits.stranger(login), visits.stack)  # the choice stays in its profile
    shell.open()
    inside = shell.frame.locator("html")
    for mode, dark in (("Dark Mode", True), ("Light Mode", False)):
        switch(shell, mode)
        expect(inside).to_contain_class("dark") if dark else expect(inside).not_to_contain_class("dark")
        edge = shell.page.locator("html").evaluate("element => getComputedStyle(element).backgroundColor")
        expect(inside, "the frame's edge is not seen").to_have_css("background-color", edge)
    switch(shell, "Dark Mode")
    shell.open("/import")  # another page begins dark
    expect(inside).to_contain_class("dark")


PAGES = ["", "/mailboxes", f"/mailboxes/{ADA}", f"/mailboxes?reauth={ADA}", "/schedules", "/schedules/team", "/invites",
         "/import", "/directory", "/clients", "/webhooks", "/changes", "/report", "/repairs", "/removals"]  # fmt: skip
BAD_LINE = f"address,kind,timezone\n{ADA},sender,Europe/Berlin, or another time zone that does not exist"


def test_the_list_fits_into_the_shell(shell, mailboxes):
    mailboxes.flagged(
        f"a-{'very-' * 9}long-name@subdomain.look.test", kind="warmup", display_name="Ada with a rather long name"
    )
    mailboxes.ask(
        "POST", "/mailboxes/pause", json={"addresses": [mailboxes.connected("b-c@look.test")], "reason": "x" * 99}
    )
    shell.find("look.test")
    card = shell.frame.locator(".card")
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth"), "the buttons are beyond the edge"
    heights = shell.frame.locator("#list tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
    assert len(heights) == 2
    assert max(heights) <= 44, "a row takes more than one line"


def is_wider_than_the_screen(shell: Shell) -> bool:
    return bool(shell.inner.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.fixture
def phone(installation, visits, mailboxes) -> Iterator[Shell]:
    """A narrow screen; there are a flagged mailbox with an invite, and the receipt of a removal."""
    mailboxes.flagged(ADA, kind="warmup", display_name="Ada with a rather long name for a small screen")
    mailboxes.ask("POST", "/invites", json={"addresses": [ADA]})
    installation.rows(
        "INSERT INTO gmail_warmup.mailbox_removal (mailbox_id, requested_by, revoke_grant, trash_mail, step, receipt,"
        " finished_at) VALUES (0, 'op', false, false, 'done', CAST(:receipt AS jsonb), now())",
        receipt='{"deleted": {"mailbox": 1, "oauth_grant": 1, "grant_event": 6, "mailbox_day": 41}}',
    )  # fmt: skip
    page = visits.page(width=390)
    page.set_viewport_size({"width": 390, "height": 844})
    yield Shell(page, visits.stack)
    installation.rows("DELETE FROM gmail_warmup.mailbox_removal WHERE mailbox_id = 0")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_off_on_a_narrow_screen(phone, path: str):
    phone.open(path)
    assert not is_wider_than_the_screen(phone)
    expect(phone.frame.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=1)


def test_a_preview_with_long_reasons_fits_on_a_narrow_screen(phone):
    phone.open("/import").locator("#text").fill(BAD_LINE)
    phone.frame.get_by_role("button", name="Preview").click()
    phone.frame.locator("#lines tbody tr").first.wait_for()
    assert not is_wider_than_the_screen(phone)


def test_a_dialog_fits_on_a_narrow_screen(phone):
    phone.find(ADA).get_by_role("button", name="Add mailbox").click()
    box = phone.frame.get_by_role("dialog", name="Add a mailbox").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize("answer", ["Something needs you", "needs? a person", "may be sent today"])
def test_the_first_screen_of_a_phone_answers(phone, answer: str):
    """Is everything fine, what needs a person, and how much may be sent today?"""
    phone.open()
    expect(phone.frame.get_by_text(re.compile(answer)).first).to_be_in_viewport(ratio=1)


def tab_to(shell: Shell, name: str) -> None:
    """Press Tab until what has this name has the focus, in the shell or in the frame; it must be seen to have it."""
    for _ in range(80):
        shell.page.keyboard.press("Tab")
        focused = shell.frame.locator(":focus")
        if focused.count() and name in (focused.get_attribute("aria-label") or focused.text_content() or ""):
            outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none", f"nobody sees that {name} has the focus"
            return
    pytest.fail(f"{name} is not reached by Tab")


def test_a_mailbox_is_added_and_paused_without_a_mouse(installation, shell, mailboxes):
    installation.sandbox.put_mailbox(ADA)
    keys = shell.page.keyboard
    shell.find("@look.test")
    tab_to(shell, "Add mailbox")
    keys.press("Enter")
    expect(shell.frame.get_by_label("Address", exact=True)).to_be_focused()
    keys.type(ADA)
    keys.press("Enter")
    google = Google(shell.page).wait()
    shell.page.locator("#allow").focus()
    keys.press("Enter")
    expect(shell.frame.get_by_text(f"{ADA} is connected")).to_be_visible()
    assert google.page.url.startswith(shell.stack.base_url)
    shell.find(ADA)
    tab_to(shell, f"Pause {ADA}")
    keys.press("Enter")
    expect(shell.row(ADA).get_by_text("Paused").first).to_be_visible()


def test_rows_are_opened_without_a_mouse(shell, mailboxes):
    for address in (ADA, "ben@look.test"):
        mailboxes.add(address)
    shell.find("look.test")
    tab_to(shell, ADA)
    shell.page.keyboard.press("ArrowDown")
    expect(shell.frame.locator(":focus")).to_have_text("ben@look.test")
    shell.page.keyboard.press("ArrowUp")
    shell.page.keyboard.press("Enter")
    expect(shell.frame.get_by_role("heading", name=ADA)).to_be_visible()


def test_the_choice_of_columns_stays_in_the_browser_and_in_the_link(visits, login, mailboxes):
    shell = Shell(visits.stranger(login), visits.stack)
    mailboxes.add(ADA)
    shell.find(ADA)
    shell.frame.get_by_text("Columns", exact=True).click()
    choice = shell.frame.locator("#columns")
    choice.get_by_label("Time zone").check()
    choice.get_by_label("Warmup").uncheck()
    choice.get_by_role("button", name="Show").click()
    headings = shell.frame.get_by_role("columnheader")
    shown = ["Mailbox", "State", "Inbox, 7 days", "Cold mail today", "Time zone", "Actions"]
    expect(headings.filter(has_text=re.compile("."))).to_have_text(shown)
    expect(shell.page).to_have_url(re.compile("columns=inbox.readiness.timezone"))
    shell.find(ADA)
    expect(headings.filter(has_text=re.compile("."))).to_have_text(shown)
    shell.open(f"/mailboxes?q={ADA}&columns=kind")
    expect(headings.filter(has_text=re.compile("."))).to_have_text(["Mailbox", "State", "Kind", "Actions"])


@pytest.mark.parametrize("path", ["/nothing", "/dags", f"{MOUNT}/nothing"])
def test_an_unknown_path_shows_not_found_in_the_page(shell, path: str):
    shell.page.goto(f"{shell.stack.base_url}{VIEW}{path}")
    expect(shell.frame.get_by_role("heading", name="Not found")).to_be_visible()
    expect(shell.page.get_by_role("link", name="Dags")).to_have_count(1)


def test_a_dialog_closes_by_escape_and_gives_the_focus_back(shell, mailboxes):
    mailboxes.add(ADA)
    shell.find(ADA)
    tab_to(shell, "Add mailbox")
    shell.page.keyboard.press("Enter")
    expect(shell.frame.get_by_role("dialog")).to_be_visible()
    shell.page.keyboard.press("Escape")
    expect(shell.frame.get_by_role("dialog")).to_have_count(0)
    expect(shell.frame.get_by_role("button", name="Add mailbox")).to_be_focused()

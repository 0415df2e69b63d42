"""The page of the removals: those in progress with why they wait, then the receipts."""

from __future__ import annotations

import httpx
import pytest

from web.kit import API, MOUNT, Site

ADA, BOB = "ada@warm.example", "bob@pool.example"


@pytest.fixture
def two(site: Site, op: httpx.Client) -> Site:
    """Ada is removed; the removal of Bob waits for a task."""
    for address in (ADA, BOB):
        site.add(address)
    site.sql(
        "UPDATE gmail_warmup.mailbox SET lease_holder = 'task', lease_until = now() + interval '1 hour'"
        f" WHERE address = '{BOB}'"
    )
    for address in (ADA, BOB):
        body = {"addresses": [address], "confirmation": address, "revoke_grant": True}
        assert op.post(f"{API}/mailboxes/remove", json=body).status_code == 200
    return site


def test_what_waits_comes_first_and_a_receipt_names_no_address(two: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/removals").text
    assert page.index(BOB) < page.index(">a removed mailbox<")
    assert "A task uses the mailbox." in page
    assert "Deleted: " in page
    assert "There was no grant to revoke." in page
    assert ADA not in page
    assert page.count("data-continue=") == 1


def test_a_removal_is_continued_when_nobody_uses_the_mailbox(two: Site, op: httpx.Client):
    two.sql("UPDATE gmail_warmup.mailbox SET lease_holder = NULL, lease_until = NULL")
    assert op.post(f"{API}/removals/2/continue", json={}).json()["step"] == "done"
    page = op.get(f"{MOUNT}/removals").text
    assert BOB not in page
    assert "data-continue=" not in page


def test_without_a_removal_the_page_says_how_to_begin_one(site: Site, op: httpx.Client):
    assert "No removals yet" in op.get(f"{MOUNT}/removals").text

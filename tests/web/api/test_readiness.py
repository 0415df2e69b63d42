"""Readiness on the API and on the pages: which mailboxes may send cold mail, and how much."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.readiness.store import update_readiness
from support.days import move_days
from web.kit import API, LIST, MOUNT, Site

READY, WARMING, POOL = "ada@ready.example", "bob@warming.example", "pia@pool.example"


@pytest.fixture
def fleet(site: Site) -> Site:
    """Return a site with one ready mailbox, one that warms up, and one of the pool."""
    for address, kind in ((READY, "warmup"), (WARMING, "warmup"), (POOL, "pool")):
        site.add(address, kind)
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL")
    site.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 30 WHERE address = :address", address=READY)
    site.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent, inbox)"
        " SELECT id, current_date - day, 40, 40, 40 FROM gmail_warmup.mailbox, generate_series(1, 6) day"
        " WHERE address = :address",
        address=READY,
    )
    settings = Settings(sending_days="mon,tue,wed,thu,fri,sat,sun")
    update_readiness(site.engine, settings)
    move_days(site, "mailbox_readiness")
    update_readiness(site.engine, settings)
    return site


def test_a_sending_tool_reads_what_it_may_send(fleet: Site, op: httpx.Client):
    (found,) = op.get(f"{API}/readiness", params={"readiness": "ready"}).json()["mailboxes"]
    assert (found["address"], found["state"], found["reason"], found["label"]) == (READY, "ready", "ready", "Ready")
    assert 2 <= found["cold_mails"] <= 4
    assert found["local_date"]


def test_all_warmup_mailboxes_are_listed_in_pages_with_their_reason(fleet: Site, op: httpx.Client):
    first = op.get(f"{API}/readiness", params={"limit": 1}).json()
    second = op.get(f"{API}/readiness", params={"limit": 1, "after": first["next_after"]}).json()
    (warming,) = second["mailboxes"]
    assert [item["address"] for item in first["mailboxes"]] == [READY]
    assert (warming["address"], warming["state"], warming["cold_mails"]) == (WARMING, "warming", 0)
    assert warming["sentence"] == "Its ramp is not complete."
    assert second["next_after"] is None


def test_a_mailbox_that_was_just_flagged_is_not_ready_although_no_run_has_seen_it(fleet: Site, op: httpx.Client):
    fleet.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'grant_refused'")
    assert op.get(f"{API}/readiness", params={"readiness": "ready"}).json()["mailboxes"] == []
    (flagged, _) = op.get(f"{API}/readiness").json()["mailboxes"]
    assert flagged["sentence"] == REASONS["grant_refused"].message
    assert "needs_reauth (" not in op.get(f"{MOUNT}/mailboxes/{READY}").text


def test_domains_are_summed_up(fleet: Site, op: httpx.Client):
    domains = op.get(f"{API}/readiness/domains").json()["domains"]
    assert [(item["domain"], item["state"], item["mailboxes"]) for item in domains] == [
        ("ready.example", "ready", {"ready": 1}),
        ("warming.example", "warming", {"warming": 1}),
    ]
    assert domains[0]["cold_mails"] > domains[1]["cold_mails"] == 0


def test_the_list_is_filtered_by_readiness_and_shows_the_number(fleet: Site, op: httpx.Client):
    page = op.get(LIST, params={"readiness": "ready"}).text
    assert READY in page
    assert WARMING not in page
    assert "Cold mail today" in page


def test_a_mailbox_that_has_moved_to_the_pool_has_no_readiness_anywhere(fleet: Site, op: httpx.Client):
    op.post(f"{API}/mailboxes/change", json={"addresses": [READY], "changes": {"kind": "pool"}})
    assert READY not in op.get(LIST, params={"readiness": "ready"}).text
    assert [item["domain"] for item in op.get(f"{API}/readiness/domains").json()["domains"]] == ["warming.example"]
    today = op.get(f"{API}/overview").json()["today"]
    assert (today["cold_mails"], today["readiness"]["ready"]) == (0, 0)


def test_the_page_of_a_mailbox_shows_state_reason_and_number(fleet: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/mailboxes/{READY}").text
    assert 'data-readiness="ready"' in page
    assert "Its ramp is complete and its mail arrives." in page
    assert 'id="readiness"' not in op.get(f"{MOUNT}/mailboxes/{POOL}").text


@pytest.mark.parametrize("after", ["\x00", "ada\x00@example.com", "\ud800", "%", "\\"], ids=ascii)
def test_a_position_that_is_no_address_is_no_error(fleet: Site, op: httpx.Client, after: str):
    query = quote(after, errors="surrogatepass")
    assert op.get(f"{API}/readiness?after={query}").status_code == 200


def test_an_unknown_state_is_refused(fleet: Site, op: httpx.Client):
    assert op.get(f"{API}/readiness", params={"readiness": "maybe"}).status_code == 422

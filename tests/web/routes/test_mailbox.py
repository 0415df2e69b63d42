"""The page of one mailbox, and the tab of a DAG: what an operator reads there."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gmail_warmup.oauth.reasons import REASONS
from web.api.test_history import ADA, ODD, POOL, put_day, put_mail, today
from web.kit import API, LIST, MOUNT, Site, invite

STATIC = Path(__file__).parents[3] / "include" / "gmail_warmup" / "web" / "static"
HOSTILE = "<script>alert(1)</script>' onload=x &amp;"


def page_of(op: httpx.Client, address: str, status: int = 200, **query: Any) -> str:
    answer = op.get(f"{MOUNT}/mailboxes/{quote(address, safe='@')}", params=query)
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


def cells(page: str, table: str) -> list[list[str]]:
    """Return the rows of a chart's table."""
    body = page.split(f'id="{table}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [re.findall(r">([^<>\n]+)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


@pytest.fixture
def ada(site: Site) -> Site:
    """One mailbox that is being warmed up, and one that receives."""
    site.add(ADA, "warmup", display_name="Ada Lovelace")
    site.add(POOL, "pool")
    return site


def test_the_head_says_how_it_is_and_what_to_do(ada: Site, op: httpx.Client):
    ada.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'blocked_by_admin', reason = 'blocked_by_admin', "
        "next_probe_at = '2026-11-25 03:00+00', state_since = '2026-11-24 03:00+00'"
    )
    ada.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), pause_reason = 'on holiday'")
    page = page_of(op, ADA)
    for words in ("Ada Lovelace", "Blocked by admin", "Paused", "on holiday", "2026-11-25 03:00:00 UTC"):
        assert words in page
    assert REASONS["blocked_by_admin"].message in page
    assert REASONS["blocked_by_admin"].remedy in page
    assert f'data-reauth="{ADA}"' in page
    assert f'data-resume="{ADA}"' in page


def test_a_delegated_mailbox_needs_no_consent_and_no_invite(site: Site, op: httpx.Client):
    site.add("robot@example.com", "warmup", auth="delegated")
    page = page_of(op, "robot@example.com")
    assert "service account" in page
    assert "data-reauth" not in page
    assert 'id="invites"' not in page


def test_thirty_days_stand_in_tables_and_their_sums_in_words(ada: Site, op: httpx.Client):
    now = today("UTC")
    put_day(
        ada, ADA, str(now), planned=9, sent=8, inbox=5, elsewhere=1, spam=1, missing=1, rescued=1, read=4, replied=2
    )
    put_day(ada, ADA, str(now - timedelta(days=6)), planned=7, sent=7, inbox=7)
    put_day(ada, ADA, str(now - timedelta(days=7)), planned=5, sent=3, spam=3)
    page = " ".join(page_of(op, ADA).split())
    assert "<strong>7 days:</strong> 15 mails sent of 16 planned; 12 in the inbox, 1 elsewhere, 1 in spam" in page
    assert "<strong>30 days:</strong> 18 mails sent of 21 planned; 12 in the inbox, 1 elsewhere, 4 in spam" in page
    volume, placements = cells(page_of(op, ADA), "volume-table"), cells(page_of(op, ADA), "placements-table")
    assert [row[0] for row in volume] == [str(now - timedelta(days=back)) for back in range(29, -1, -1)]
    assert volume[-1][1:] == ["9", "8"]
    assert volume[-2][1:] == ["0", "0"]
    assert placements[-1][1:] == ["5", "1", "1", "1"]


def test_a_pool_mailbox_shows_what_it_received(ada: Site, op: httpx.Client):
    at = f"{today('UTC')} 00:00+00"
    put_mail(ada, ADA, POOL, sent_at=at, claimed_at=at, placement="spam", rescued_at=at)
    page = " ".join(page_of(op, POOL).split())
    assert "<strong>7 days:</strong> 1 mail received; 0 in the inbox, 0 elsewhere, 1 in spam" in page
    assert cells(page_of(op, POOL), "volume-table")[-1][1:] == ["1", "0"]
    assert "planned" not in page


def test_the_history_names_its_dag_run_and_leads_to_older_ones(ada: Site, op: httpx.Client):
    ada.sql(
        "INSERT INTO gmail_warmup.grant_event (mailbox_id, at, actor, from_state, to_state, reason, dag_id, run_id) "
        "SELECT id, now() - make_interval(mins => n), 'dag:gmail_warmup', 'active', 'needs_reauth', 'expired_idle', "
        "'gmail_warmup', 'manual__2026-11-24T10:00:00+00:00' FROM gmail_warmup.mailbox, generate_series(0, 14) n "
        "WHERE address = :address",
        address=ADA,
    )
    page = page_of(op, ADA)
    assert REASONS["expired_idle"].message in page
    assert 'href="../../dags/gmail_warmup/runs/manual__2026-11-24T10%3A00%3A00%2B00%3A00" data-leave' in page
    assert "by DAG gmail_warmup" in page
    before = re.search(r'href="\?history_before=(\d+)#history"', page)
    assert before
    older = page_of(op, ADA, history_before=before[1])
    assert REASONS["never_granted"].message in older or "Needs re-authentication" in older
    assert 'href="?#history"' in older


@pytest.mark.parametrize("wrong", ["x", "-1", "99999999999999999999", "%00", "1e3", "٣"])
def test_a_wrong_place_in_a_link_shows_the_newest(ada: Site, op: httpx.Client, wrong: str):
    page = page_of(op, ADA, history_before=wrong, mails_before=wrong)
    assert REASONS["never_granted"].message in page


def test_mails_are_listed_with_their_partner_and_what_became_of_them(ada: Site, op: httpx.Client):
    put_mail(ada, ADA, POOL, placement="promotions", subject="Lunch?", read_at="2026-11-24 12:34+00")
    put_mail(ada, ADA, POOL, status="failed", failure="refused", sent_at=None)
    put_mail(ada, ADA, POOL, status="claimed", sent_at=None, due_at="2026-11-25 08:00+00")
    page = page_of(op, ADA)
    for words in (
        "Lunch?",
        "Promotions",
        "2026-11-24 12:34:00 UTC",
        "Not sent",
        "Being sent",
        "2026-11-25 08:00:00 UTC",
    ):
        assert words in page
    assert f'<a href="../mailboxes/{POOL}">{POOL}</a>' in page
    assert len(re.findall("data-mail=", page)) == 3


def test_invites_are_listed_without_their_link(ada: Site, op: httpx.Client):
    token = invite(op, ADA)
    page = page_of(op, ADA)
    assert "Open" in page
    assert "by op" in page
    assert re.search(r'data-revoke="1"', page)
    assert token not in page


def test_the_settings_are_in_the_form(ada: Site, op: httpx.Client):
    ada.sql("UPDATE gmail_warmup.mailbox SET daily_target = 77, timezone = 'Asia/Tokyo' WHERE address = :a", a=ADA)
    page = page_of(op, ADA)
    for value in ('name="daily_target"', 'value="77"', 'value="Asia/Tokyo"', 'value="Ada Lovelace"', 'value="warmup"'):
        assert value in page
    assert re.search(r'value="warmup"[^>]*checked', page)


@pytest.mark.parametrize("address", ["nobody@example.com", "<i>x@example.com", "%", "a/../b", "\x00", "x" * 2000])
def test_an_unknown_address_can_be_added_from_its_page(site: Site, op: httpx.Client, address: str):
    answer = op.get(f"{MOUNT}/mailboxes/{quote(address, safe='')}")
    assert answer.status_code == 404
    assert "is not in the list of mailboxes" in answer.text
    assert "data-open-add" in answer.text
    assert "<i>" not in answer.text


@pytest.mark.parametrize("path", [quote(ODD, safe=""), ODD, ODD.upper(), quote(ODD)])
def test_the_ways_up_fit_the_address_as_the_browser_has_it(site: Site, op: httpx.Client, path: str):
    assert op.post(f"{API}/mailboxes", json={"address": ODD, "settings": {"kind": "warmup"}}).status_code == 200
    answer = op.get(f"{MOUNT}/mailboxes/{path}")
    assert answer.status_code == 200
    root = re.search(r'data-root="([^"]+)"', answer.text)
    assert root
    assert answer.url.join(root[1]).path == f"{MOUNT}/"


def test_what_a_person_or_a_mail_says_is_never_markup(ada: Site, op: httpx.Client):
    ada.sql("UPDATE gmail_warmup.mailbox SET display_name = :x, pause_reason = :x, paused_at = now()", x=HOSTILE)
    ada.sql("UPDATE gmail_warmup.grant_event SET actor = :x, reason = :x", x=HOSTILE)
    ada.sql(
        "INSERT INTO gmail_warmup.grant_event (mailbox_id, actor, to_state, dag_id, run_id) "
        "SELECT id, :x, 'active', :x, :x FROM gmail_warmup.mailbox",
        x=HOSTILE,
    )
    put_mail(ada, ADA, POOL, subject=HOSTILE, status="failed", failure=HOSTILE)
    text = op.get(f"{MOUNT}/mailboxes/{ADA}").text
    assert "<script>" not in text
    assert " onload=" not in re.sub(r"&#39; onload=x", "", text)
    assert text.count("&lt;script&gt;") >= 5


def test_the_page_loads_only_what_is_vendored_and_only_here(ada: Site, op: httpx.Client):
    text = op.get(f"{MOUNT}/mailboxes/{ADA}").text
    sources = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', text)
    assert all(source.startswith("../static/") for source in sources)
    for source in sources:
        assert op.get(f"{MOUNT}/static/{source.removeprefix('../static/')}").status_code == 200
    assert "<script>" not in text
    assert " style=" not in text
    assert "vendor/" not in op.get(LIST).text


def test_each_vendored_file_has_its_licence_beside_it():
    for script in (STATIC / "vendor").glob("*.js"):
        name = script.name.split(".umd")[0]
        assert "License" in (STATIC / "vendor" / f"{name}.LICENSE.md").read_text()


@pytest.mark.parametrize("dag_id", ["gmail_warmup", "gmail_token_health"])
def test_the_tab_of_our_dags_counts_and_leads_out_of_its_frame(ada: Site, op: httpx.Client, dag_id: str):
    ada.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL, refreshed_at = now()")
    ada.sql("INSERT INTO gmail_warmup.incident (kind, key, reason) VALUES ('app_error', 'client-1', 'invalid_client')")
    put_day(ada, ADA, str(today("UTC")), planned=1234, sent=1000, spam=17)
    page = " ".join(html.unescape(op.get(f"{MOUNT}/dag/{dag_id}").text).split())
    assert "1,000 of 1,234 planned mails sent, 17 found in spam" in page
    assert "the OAuth client is refused" in page
    assert "No audit has finished yet" in page
    shell = f"{ada.origin}/plugin/gmail-accounts{LIST}"
    assert re.search(rf'href="{re.escape(shell)}\?state=valid"[^>]* data-leave> <span class="number">2</span>', page)


def test_planned_today_holds_who_has_not_begun_and_leaves_out_who_will_not(site: Site, op: httpx.Client):
    for name in ("waits", "second-day", "dead", "paused"):
        site.add(f"{name}@example.com", "warmup")
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active' WHERE mailbox_id <> 3")
    site.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 1 WHERE address ~ 'second'")
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address ~ 'paused'")
    page = " ".join(op.get(f"{MOUNT}/dag/gmail_warmup").text.split())
    weekend = today("UTC").weekday() > 4
    assert f"0 of {0 if weekend else 5 + 7} planned" in page


@pytest.mark.parametrize("dag_id", ["other", "<script>", "\x00", "gmail_warmup2"])
def test_the_tab_of_another_dag_is_one_calm_line(site: Site, op: httpx.Client, dag_id: str):
    answer = op.get(f"{MOUNT}/dag/{quote(dag_id)}")
    assert answer.status_code == 200
    assert "is not part of Gmail Warmup" in answer.text
    assert "data-leave>Open Gmail accounts" in answer.text
    assert "counter" not in answer.text
    assert "<script>" not in answer.text


def test_airflow_serves_the_tab_beside_the_page(site: Site):
    with site.browser("admin") as browser:
        plugins = browser.get("/api/v2/plugins").json()["plugins"]
    views = next(plugin for plugin in plugins if plugin["name"] == "gmail_warmup")["external_views"]
    assert [(view["destination"], view["url_route"]) for view in views] == [
        ("nav", "gmail-accounts"),
        ("dag", "gmail-accounts-tab"),
    ]

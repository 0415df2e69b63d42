"""The weekly report on its page and in the API, and links to it that need no login."""

from __future__ import annotations

import html

import httpx
import pytest

from web.kit import API, MOUNT, Site

PAGE = f"{MOUNT}/report"
ADDRESS = "a@example.com"


def make_link(browser: httpx.Client, **body: str) -> str:
    answer = browser.post(f"{API}/report-links", json=body)
    assert answer.status_code == 200, answer.text
    link, _, token = answer.json()["url"].partition("#")
    assert link.endswith(f"{MOUNT}/shared-report")
    return str(token)


def test_a_link_is_made_without_reading_the_report(site: Site, op: httpx.Client):
    site.sql("ALTER TABLE gmail_warmup.grant_day RENAME TO hidden")
    try:
        make_link(op, week="2026-11-11")
    finally:
        site.sql("ALTER TABLE gmail_warmup.hidden RENAME TO grant_day")
    (link,) = op.get(f"{API}/report-links").json()["links"]
    assert link["week"] == "2026-11-09"
    assert op.post(f"{API}/report-links", json={"week": "2990-01-01"}).status_code == 422


def look(site: Site, token: str) -> httpx.Response:
    with site.stranger() as stranger:
        return stranger.post(f"{MOUNT}/shared-report/look", json={"token": token})


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({}, "fleet"),
        ({"domain": "example.com"}, "domain"),
        ({"tag": "sales"}, "tag"),
        ({"week": "2026-11-11"}, "fleet"),
    ],
)
def test_the_report_and_its_page(site: Site, op: httpx.Client, params: dict[str, str], kind: str):
    site.add(ADDRESS, "warmup")
    found = op.get(f"{API}/report", params=params).json()
    assert found["scope"]["kind"] == kind
    assert {each["code"] for each in found["mails"]} >= {"sent", "inbox", "spam", "missing", "replied", "bounced"}
    page = op.get(PAGE, params=params)
    assert page.status_code == 200
    assert found["start"] in page.text
    assert ADDRESS not in page.text
    text = op.get(f"{API}/report.csv", params=params)
    assert text.headers["content-disposition"] == f'attachment; filename="weekly-report-{found["start"]}.csv"'
    assert text.content.decode().startswith("\ufeffsection,name,number"), "Excel reads it as UTF-8"
    if "week" in params:
        assert (found["start"], found["end"]) == ("2026-11-09", "2026-11-15")


@pytest.mark.parametrize(
    ("params", "note"),
    [
        ({"tag": "Nobody"}, "No mailbox has the tag nobody."),
        ({"domain": "Nothing.example"}, "No mailbox belongs to the domain nothing.example."),
    ],
)
def test_a_report_about_no_mailbox_says_so(site: Site, op: httpx.Client, params: dict[str, str], note: str):
    site.add(ADDRESS, "warmup")
    assert op.get(f"{API}/report", params=params).json()["note"] == note
    assert note in op.get(PAGE, params=params).text
    assert note in look(site, make_link(op, **params)).json()["html"]
    for has_mailboxes in ({}, {"domain": "example.com"}):
        assert op.get(f"{API}/report", params=has_mailboxes).json()["note"] == ""


@pytest.mark.parametrize(
    "params",
    [
        {"domain": "a.example", "tag": "b"},
        {"tag": "a,b"},
        {"week": "2990-01-01"},
        {"week": "9999-12-31"},
        {"week": "1999-12-31"},
    ],
)
def test_a_wrong_choice_is_an_error_and_named_on_the_page(site: Site, op: httpx.Client, params: dict[str, str]):
    problem = op.get(f"{API}/report", params=params)
    assert problem.status_code == 422
    page = op.get(PAGE, params=params)
    assert page.status_code == 200
    assert problem.json()["detail"].partition(".")[0].partition("'")[0] in page.text


@pytest.mark.parametrize("week", ["2026-13-01", "tomorrow", "<b>"])
def test_a_week_that_is_no_day_is_named_on_the_page(op: httpx.Client, week: str):
    assert op.get(f"{API}/report", params={"week": week}).status_code == 422
    page = op.get(PAGE, params={"week": week})
    assert page.status_code == 200
    assert "week: must be a date as YYYY-MM-DD, for example 2026-12-24." in html.unescape(page.text)
    assert "<b>" not in page.text


def test_a_link_shows_one_report_without_a_login(site: Site, op: httpx.Client):
    site.add(ADDRESS, "warmup")
    token = make_link(op, domain="example.com", week="2026-11-11")
    found = look(site, token)
    assert found.status_code == 200
    assert found.json()["title"] == "Weekly report, 9 to 15 November 2026: domain example.com"
    assert "<table" in found.json()["html"]
    assert found.json()["csv"].startswith("section,name,number")
    assert "a@" not in found.text
    with site.stranger() as stranger:
        page = stranger.get(f"{MOUNT}/shared-report")
        assert '<meta name="robots" content="noindex">' in page.text
        assert stranger.get(PAGE).status_code == 401
        assert stranger.get(f"{API}/report").status_code == 401


def test_only_the_hash_of_a_token_is_stored_and_nothing_logs_it(site: Site, op: httpx.Client):
    token = make_link(op)
    look(site, token)
    assert token not in str(site.contents())
    assert token not in site.log()
    assert token not in op.get(f"{API}/report-links").text + op.get(PAGE).text


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE gmail_warmup.report_link SET expires_at = now()",
        "UPDATE gmail_warmup.report_link SET revoked_at = now()",
        "DELETE FROM gmail_warmup.report_link",
    ],
)
def test_a_link_that_has_ended_shows_nothing(site: Site, op: httpx.Client, end: str):
    token = make_link(op)
    site.sql(end)
    ended, invented = look(site, token), look(site, "x" * 43)
    assert ended.status_code == invented.status_code == look(site, "x").status_code == 404
    assert ended.text == invented.text


def test_a_link_is_revoked_once(site: Site, op: httpx.Client):
    token = make_link(op)
    for _ in range(2):
        revoked = op.post(f"{API}/report-links/1/revoke", json={})
        assert (revoked.status_code, revoked.json()["revoked_by"]) == (200, "op")
    assert look(site, token).status_code == 404
    assert op.post(f"{API}/report-links/99/revoke", json={}).status_code == 404
    assert "revoked" in op.get(PAGE).text
    (listed,) = op.get(f"{API}/report-links").json()["links"]
    assert (listed["is_open"], listed["created_by"]) == (False, "op")
    actions = site.sql("SELECT action FROM gmail_warmup.change_log ORDER BY id")
    assert [row["action"] for row in actions] == ["report_link_create", "report_link_revoke"]


def test_a_link_that_expired_long_ago_is_deleted(site: Site, op: httpx.Client):
    make_link(op)
    site.sql("UPDATE gmail_warmup.report_link SET expires_at = now() - interval '91 days'")
    make_link(op)
    assert [link["id"] for link in op.get(f"{API}/report-links").json()["links"]] == [2]


def test_the_token_of_an_invite_opens_no_report_and_the_other_way_round(site: Site, op: httpx.Client):
    site.add(ADDRESS)
    invite = op.post(f"{API}/invites", json={"addresses": [ADDRESS]}).json()["invites"][0]["url"].partition("#")[2]
    assert look(site, invite).status_code == 404
    with site.stranger() as stranger:
        assert stranger.post(f"{MOUNT}/invite/look", json={"token": make_link(op)}).status_code == 404
    assert op.get(f"{API}/invites").json()["invites"]

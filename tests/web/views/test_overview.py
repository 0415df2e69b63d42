"""What stands above the list: incidents, advice, the last audit, and the ends that are foreseen."""

from __future__ import annotations

import httpx

from web.kit import API, LIST, Site


def test_nothing_stands_there_on_a_new_installation(site: Site, op: httpx.Client):
    assert op.get(f"{API}/standing").json() == {
        "stopped": None, "closed": [], "incidents": [], "advice": [], "audited_at": None, "report": {},
    }  # fmt: skip
    page = op.get(LIST).text
    assert "data-incident" not in page
    assert "Last audit" not in page


def test_open_incidents_are_shown_until_they_are_closed(site: Site, op: httpx.Client):
    site.sql(
        "INSERT INTO gmail_warmup.incident (kind, key, reason, opened_at)"
        " VALUES ('app_error', 'client-1', 'invalid_client', '2026-11-24 03:00:00+00')"
    )
    page = op.get(LIST).text
    assert "Since 2026-11-24 03:00 UTC, the OAuth client is refused; no account is affected" in page
    assert "Check the Airflow Connection of the OAuth client" in page
    site.sql("UPDATE gmail_warmup.incident SET closed_at = now()")
    assert "the OAuth client is refused" not in op.get(LIST).text


def test_the_last_audit_and_its_advice_are_shown(site: Site, op: httpx.Client):
    for run, advice in (("first", "[]"), ("second", '["Publish the app."]')):
        site.sql(
            "INSERT INTO gmail_warmup.audit (run_id, actor, healthy, finished_at, report)"
            " VALUES (:run, 'test', 0, '2026-11-24 03:00:00+00', jsonb_build_object('advice', cast(:advice AS jsonb)))",
            run=run, advice=advice,
        )  # fmt: skip
    site.sql("INSERT INTO gmail_warmup.audit (run_id, actor, healthy) VALUES ('under way', 'test', 0)")
    page = op.get(LIST).text
    assert "Publish the app." in page
    assert "Last audit" in page
    assert op.get(f"{API}/standing").json()["audited_at"].startswith("2026-11-24T03:00:00")


def test_an_idle_grant_is_shown_as_expiring(site: Site, op: httpx.Client):
    site.add("idle@example.com")
    site.add("used@example.com")
    site.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL, refreshed_at = now() - CASE mailbox_id"
        " WHEN (SELECT min(mailbox_id) FROM gmail_warmup.oauth_grant) THEN interval '176 days 23 h'"
        " ELSE interval '1 day' END"
    )
    assert op.get(f"{API}/counts").json()["expiring"] == 1
    listed = op.get(f"{API}/mailboxes", params={"state": "expiring"}).json()["mailboxes"]
    assert [(box["address"], box["expires_in"], box["expires_soon"]) for box in listed] == [
        ("idle@example.com", "in 3 days", True)
    ]

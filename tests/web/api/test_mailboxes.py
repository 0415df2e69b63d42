"""The JSON API: changes, and what it answers to wrong ones."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from web.kit import API, LIST, MOUNT, Site

ADA, BOB = "ada@example.com", "bob@example.com"


def test_pause_and_resume(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    assert op.post(f"{API}/mailboxes/pause", json={"addresses": [ADA], "reason": "away"}).json() == {"changed": 1}
    row = site.mailbox(ADA)
    assert (row["paused_by"], row["pause_reason"], site.mailbox(BOB)["paused_at"]) == ("op", "away", None)
    assert op.post(f"{API}/mailboxes/pause", json={"addresses": [ADA, BOB]}).json() == {"changed": 1}
    assert site.mailbox(ADA)["pause_reason"] == "away"
    assert op.post(f"{API}/mailboxes/resume", json={"addresses": [ADA, BOB]}).json() == {"changed": 2}
    assert site.mailbox(ADA)["paused_at"] is None
    assert site.mailbox(ADA)["resumed_at"]


def test_all_are_paused_or_none(site: Site, op: httpx.Client):
    site.add(ADA)
    answer = op.post(f"{API}/mailboxes/pause", json={"addresses": [ADA, "who@example.com"]})
    assert answer.status_code == 404
    assert "who@example.com" in answer.json()["detail"]
    assert site.mailbox(ADA)["paused_at"] is None


def test_settings_are_changed_and_grant_and_pause_are_not(site: Site, op: httpx.Client):
    site.add(ADA, "pool")
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now()")
    grant, paused = site.grant(ADA), site.mailbox(ADA)["paused_at"]
    body = {"address": ADA, "settings": {"kind": "warmup", "daily_target": 12, "timezone": "Europe/Berlin"}}
    answer = op.post(f"{API}/mailboxes", json=body)
    assert answer.status_code == 200
    assert (answer.json()["kind"], answer.json()["daily_target"]) == ("warmup", 12)
    assert site.mailbox(ADA)["paused_at"] == paused
    assert site.grant(ADA) == grant


def test_how_a_mailbox_is_reached_cannot_be_changed_in_passing(site: Site, op: httpx.Client):
    site.add(ADA, "pool")
    answer = op.post(f"{API}/mailboxes", json={"address": ADA, "settings": {"kind": "pool", "auth": "delegated"}})
    assert answer.status_code == 422
    assert site.mailbox(ADA)["auth"] == "grant"


def consent(**change: Any) -> dict[str, Any]:
    settings = {"kind": "pool"} | change.pop("settings", {})
    return {"address": ADA, "purpose": "add", "settings": settings} | change


RULES = [
    (consent(address="nobody"), "address", "name@domain"),
    (consent(settings={"open_rate": 101}), "open_rate", "must be a whole number from 0 to 100"),
    (consent(settings={"open_rate": -1}), "open_rate", "must be a whole number from 0 to 100"),
    (consent(settings={"reply_rate": "many"}), "reply_rate", "must be a whole number from 0 to 100"),
    (consent(settings={"reply_rate": 1.5}), "reply_rate", "must be a whole number from 0 to 100"),
    (consent(settings={"daily_target": 0}), "daily_target", "must be a whole number from 1 to 2000"),
    (consent(settings={"timezone": "Mars/Base"}), "timezone", "is not an IANA time zone"),
    (consent(settings={"display_name": "<b>"}), "display_name", "must not contain control characters"),
    (consent(settings={"display_name": "x" * 101}), "display_name", "at most 100 characters"),
    (consent(settings={"kind": "spam"}), "kind", "must be warmup or pool"),
    (consent(settings={"colour": "red"}), "colour", "is not known"),
    (consent(purpose="steal"), "purpose", "must be add or reauth"),
    ({"purpose": "reauth"}, "address", "is required"),
]


@pytest.mark.parametrize(("body", "field", "rule"), RULES, ids=[f"{field}: {rule[:20]}" for _, field, rule in RULES])
def test_a_wrong_input_names_the_field_and_the_rule(
    site: Site, op: httpx.Client, body: dict[str, Any], field: str, rule: str
):
    answer = op.post(f"{API}/consents", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert rule in problem["message"]
    assert site.sql("SELECT * FROM gmail_warmup.consent") == []


def test_several_wrong_fields_are_named_at_once(site: Site, op: httpx.Client):
    answer = op.post(f"{API}/consents", json=consent(settings={"open_rate": 101, "timezone": "x"}))
    assert [problem["field"] for problem in answer.json()["errors"]] == ["timezone", "open_rate"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"address": "who@example.com", "purpose": "reauth"}, 404, "Unknown mailbox: who@example.com"),
        ({"address": ADA, "purpose": "add"}, 422, "required to add a mailbox"),
        (
            {"address": ADA, "purpose": "reauth", "settings": {"kind": "pool"}},
            422,
            "not allowed for a re-authentication",
        ),
        ({"address": "robot@example.com", "purpose": "reauth"}, 422, "service account"),
        (consent(settings={"auth": "delegated"}), 422, "service account"),
        (consent(address="robot@example.com"), 422, "service account"),
    ],
)
def test_a_consent_that_cannot_be_is_not_started(
    site: Site, op: httpx.Client, body: dict[str, Any], status: int, words: str
):
    site.add(ADA)
    site.add("robot@example.com", auth="delegated")
    answer = op.post(f"{API}/consents", json=body)
    assert answer.status_code == status
    problem = answer.json()
    assert words in problem["detail"]
    assert problem["status"] == status
    assert problem["type"].startswith("urn:gmail-warmup:problem:")
    assert site.sql("SELECT * FROM gmail_warmup.consent") == []


def test_a_broken_body_is_a_problem_too(site: Site, op: httpx.Client):
    answer = op.post(f"{API}/consents", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing"])
def test_an_unknown_address(site: Site, op: httpx.Client, path: str):
    answer = op.get(MOUNT + path)
    assert answer.status_code == 404
    assert ("problem+json" in answer.headers["content-type"]) == path.startswith("/api/")


@pytest.fixture
def renamed(site: Site, request: pytest.FixtureRequest):
    """Take a table away for the length of a test."""
    site.sql(f"ALTER TABLE gmail_warmup.{request.param} RENAME TO hidden")
    yield site
    site.sql(f"ALTER TABLE gmail_warmup.hidden RENAME TO {request.param}")


@pytest.fixture
def unmigrated(site: Site):
    """Take the schema away for the length of a test."""
    site.sql("ALTER SCHEMA gmail_warmup RENAME TO hidden")
    yield site
    site.sql("ALTER SCHEMA hidden RENAME TO gmail_warmup")


def test_a_missing_schema_names_the_remedy(unmigrated: Site, op: httpx.Client):
    for path in (f"{API}/counts", LIST):
        answer = op.get(path)
        assert answer.status_code == 503
        assert "airflow db migrate" in answer.text


@pytest.mark.parametrize("renamed", ["consent"], indirect=True)
def test_an_unexpected_error_says_nothing_but_an_id_that_the_log_explains(renamed: Site, op: httpx.Client):
    answer = op.post(f"{API}/consents", json=consent())
    assert answer.status_code == 500
    problem = answer.json()
    assert "consent" not in problem["detail"]
    assert "SELECT" not in answer.text
    assert "Traceback" not in answer.text
    error_id = re.search(r"id ([0-9a-f]{8})", problem["detail"])
    assert error_id
    log = renamed.log()
    assert f"Error {error_id[1]}" in log
    assert "UndefinedTable" in log[log.index(error_id[1]) :]


def test_it_works_again_after_an_outage(site: Site, op: httpx.Client):
    site.add(ADA)
    assert op.get(f"{API}/counts").json()["total"] == 1
    site.sql(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "  # waits until they have ended
        "WHERE usename = 'gmail_warmup' AND datname = current_database()"
    )
    assert op.get(f"{API}/counts").json()["total"] == 1


def test_a_corrected_oauth_client_needs_no_restart(site: Site, op: httpx.Client):
    site.add(ADA)
    (row,) = site.sql("SELECT login FROM connection WHERE conn_id = 'gmail_oauth_client'")
    site.sql("UPDATE connection SET login = NULL WHERE conn_id = 'gmail_oauth_client'")
    answer = op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"})
    site.sql("UPDATE connection SET login = :login WHERE conn_id = 'gmail_oauth_client'", login=row["login"])
    assert answer.status_code == 503
    assert "gmail_oauth_client" in answer.json()["detail"]
    assert op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"}).status_code == 200


def test_the_description_holds_every_path_of_the_api(site: Site, op: httpx.Client):
    described = op.get(f"{API}/openapi.json").json()["paths"]
    expected = {
        route["path"].replace(":path", "")
        for route in site.routes
        if route["path"].startswith("/api/") and not route["path"].endswith("openapi.json")
    }
    assert set(described) == expected


def test_the_description_names_the_filters_the_orders_and_the_bounds_of_the_list(site: Site, op: httpx.Client):
    described = op.get(f"{API}/openapi.json").json()
    parameters = {item["name"]: item for item in described["paths"]["/api/v1/mailboxes"]["get"]["parameters"]}
    assert list(parameters) == [
        "state", "kind", "readiness", "domain", "tag", "owner", "client", "q", "sort", "after", "before",
        "limit",
    ]  # fmt: skip
    schemas = described["components"]["schemas"]
    assert schemas["Order"]["enum"][:4] == ["address", "-address", "attention", "-attention"]
    assert parameters["limit"]["schema"]["maximum"] == 1000
    change = schemas["ChangeIn"]
    assert set(change["properties"]) == {"addresses", "filter", "at_most", "changes"}
    assert set(schemas["MailboxChanges"]["properties"]) == {
        "kind", "daily_target", "timezone", "display_name", "signature", *SCHEDULE_NAMES,
        "owner_email", "tags", "add_tags", "remove_tags",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({"sort": "colour"}, "sort", "must be address, -address"),
        ({"state": "nonsense"}, "state", "must be valid, needs_reauth"),
        ({"limit": "1001"}, "limit", "must be at most 1000"),
        ({"q": "x" * 321}, "q", "at most 320 characters"),
        ({"tag": "x" * 200}, "tag", "has 200 characters, and a tag has at most 50. Shorten it."),
        ({"owner": "olivia"}, "owner", "'olivia' is not a mail address. Write it as name@domain"),
    ],
)
def test_a_wrong_query_names_the_field_and_the_rule(
    site: Site, op: httpx.Client, query: dict[str, str], field: str, rule: str
):
    answer = op.get(f"{API}/mailboxes", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert rule in problem["message"]

"""Who gets in, on every route that the application has; and what no request may do."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import HTTPException, Request

from gmail_warmup.core.enums import Permission
from gmail_warmup.web import permissions
from support.workspace import ADMIN, put_workspace
from web.kit import API, LIST, MOUNT, OPEN, SECOND_CLIENT, Site, invite, path_of, requests_of

KNOWN = {"/", "/oauth/callback", "/api/v1/mailboxes", "/api/v1/consents", "/api/v1/openapi.json"}

NEEDED = {
    "GET /oauth/callback": "operate",
    "POST /api/v1/consents": "operate",  # the purpose "add" requires more, see test_fab.py
    "POST /api/v1/clients": "administer",
    "POST /api/v1/clients/move": "operate",
    "POST /api/v1/clients/reopen": "administer",
    "POST /api/v1/clients/retire": "administer",
    "POST /api/v1/halt": "operate",
    "POST /api/v1/halt/end": "operate",
    "POST /api/v1/consents/{consent_id}/accept": "administer",
    "POST /api/v1/imports": "administer",
    "POST /api/v1/imports/preview": "administer",
    "POST /api/v1/invites": "operate",
    "POST /api/v1/invites/{invite_id}/revoke": "operate",
    "POST /api/v1/mailboxes": "administer",
    "POST /api/v1/mailboxes/change": "administer",
    "POST /api/v1/mailboxes/export-data": "administer",
    "POST /api/v1/mailboxes/remove": "administer",
    "POST /api/v1/mailboxes/rename": "administer",
    "POST /api/v1/mailboxes/sync": "administer",
    "POST /api/v1/removals/{removal_id}/continue": "administer",
    "POST /api/v1/mailboxes/pause": "operate",
    "POST /api/v1/mailboxes/requalify": "operate",
    "POST /api/v1/mailboxes/resume": "operate",
    "POST /api/v1/repairs": "operate",
    "POST /api/v1/repairs/sign-in": "operate",
    "POST /api/v1/repairs/skip": "operate",
    "POST /api/v1/report-links": "operate",
    "POST /api/v1/report-links/{link_id}/revoke": "operate",
    "POST /api/v1/schedules/mailboxes": "administer",
    "POST /api/v1/schedules/tags": "administer",
    "POST /api/v1/webhooks/deliveries/{delivery_id}/repeat": "operate",
    "POST /api/v1/webhooks/test": "operate",
}
"""The permission of every route that requires more than "read"."""


def test_the_routes_are_those_of_the_running_application(site: Site):
    assert {route["path"] for route in site.routes} >= KNOWN | set(OPEN)


@pytest.mark.parametrize(
    ("who", "status"), [(None, 401), ("viewer", 403), ("user", 403)], ids=["anonymous", "viewer", "user"]
)
def test_every_route_refuses_who_has_no_right(site: Site, who: str | None, status: int):
    site.add("a@example.com")
    before = site.contents()
    with site.browser(who) as browser:
        found = {name: answer.status_code for name, answer in requests_of(site, browser)}
    assert found == dict.fromkeys(found, status)
    assert site.contents() == before


def test_a_refused_user_is_not_led_to_a_page_that_refuses_as_well(site: Site):
    with site.browser("viewer") as browser:
        refused = browser.get(LIST)
    with site.browser("op") as browser:
        unknown = browser.get(f"{MOUNT}/no-such-page")
    assert ("Back to Gmail accounts" in refused.text, "Back to Gmail accounts" in unknown.text) == (False, True)


@pytest.mark.parametrize("who", ["op", "admin"])
def test_every_route_serves_who_may_edit_connections(site: Site, who: str):
    site.add("a@example.com")
    with site.browser(who) as browser:
        browser.headers["Authorization"] = f"Bearer {site.tokens[who]}"  # which a recorded download by GET needs
        found = {name: answer.status_code for name, answer in requests_of(site, browser)}
    # An empty body is wrong input, and the callback without a state is not ours; neither is a matter of rights.
    assert {name: status for name, status in found.items() if status in (401, 403) or status >= 500} == {}
    assert found["GET /"] == found["GET /api/v1/openapi.json"] == 200


def test_every_route_declares_the_permission_that_was_decided_on(site: Site):
    """A route that changes something and is missing in the table has no decision yet."""
    declared = {
        f"{method} {route['path']}": route["permissions"]
        for route in site.routes
        if not route["mount"] and route["path"] not in OPEN
        for method in route["methods"]
    }
    expected = {name: ["read", *([NEEDED[name]] if name in NEEDED else [])] for name in declared}
    # The callback checks it itself, because it also serves invites: see the tests of the consent and of the invites.
    assert declared == expected | {"GET /oauth/callback": []}
    # An export of chosen mailboxes is a POST because their addresses are too long for a GET.
    reading = {name for name in declared if name.startswith(("GET ", "HEAD "))} | {"POST /api/v1/export"}
    assert set(declared) - reading <= set(NEEDED) <= set(declared)
    assert not [route for route in site.routes if route["path"] in OPEN and route["permissions"]]


def test_only_styles_scripts_and_icons_are_open(site: Site):
    assert [route["path"] for route in site.routes if route["mount"]] == ["/static"]
    with site.browser(None) as browser:
        for name in ("app.css", "page.js", "theme.js", "icon-light.svg", "icon-dark.svg"):
            assert browser.get(f"{MOUNT}/static/{name}").status_code == 200
        for path in ("/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py"):
            assert browser.get(MOUNT + path).status_code == 404


def test_who_is_not_signed_in_reads_where_to_do_so(site: Site):
    with site.browser(None) as browser:
        page = browser.get(LIST)
    assert page.headers["content-type"].startswith("text/html")
    assert "/auth/login?next=" in page.text
    assert "Please sign in" in page.text


def changes(site: Site) -> dict[str, dict[str, object]]:
    """Return a body that works for every route that changes something, with what has to be there for it."""
    site.add("a@example.com")
    site.add("former@example.com")
    put_workspace(site.sandbox, site.robot)
    site.sql(
        "UPDATE gmail_warmup.oauth_grant SET granted_at = now() WHERE mailbox_id ="
        " (SELECT id FROM gmail_warmup.mailbox WHERE address = 'former@example.com')"
    )
    with site.browser() as browser:
        invite(browser, "a@example.com")
        token = invite(browser, "a@example.com")
        file = {"text": "address,kind\nb@example.com,pool\n"}
        shown = browser.post(f"{API}/imports/preview", json=file).json()["token"]
        shared = browser.post(f"{API}/report-links", json={}).json()["url"].partition("#")[2]
        assert browser.post(f"{API}/report-links", json={}).status_code == 200
        assert browser.post(f"{API}/repairs", json={}).status_code == 200
        assert browser.post(f"{API}/webhooks/test", json={"receiver": "desk"}).status_code == 200
    bodies: dict[str, dict[str, object]] = {
        "/api/v1/mailboxes": {"address": "a@example.com", "settings": {"kind": "pool", "daily_target": 7}},
        "/api/v1/mailboxes/change": {"addresses": ["a@example.com"], "changes": {"daily_target": 7}},
        "/api/v1/mailboxes/pause": {"addresses": ["a@example.com"]},
        "/api/v1/mailboxes/resume": {"addresses": ["a@example.com"]},
        "/api/v1/mailboxes/requalify": {"addresses": ["a@example.com"]},
        "/api/v1/schedules/mailboxes": {"addresses": ["a@example.com"], "values": {"ramp_cap": 7}},
        "/api/v1/schedules/tags": {"tag": "sales", "values": {"ramp_cap": 7}},
        "/api/v1/clients": {"conn_id": SECOND_CLIENT, "user_limit": 100, "tags": ["brand"]},
        "/api/v1/clients/retire": {"conn_id": SECOND_CLIENT},
        "/api/v1/clients/reopen": {"conn_id": SECOND_CLIENT},
        "/api/v1/clients/move": {"conn_id": SECOND_CLIENT},
        "/api/v1/halt": {"reason": "a look"},
        "/api/v1/halt/end": {},
        "/api/v1/consents": {"address": "a@example.com", "purpose": "reauth"},
        "/api/v1/repairs": {},
        "/api/v1/repairs/sign-in": {},
        "/api/v1/repairs/skip": {"address": "a@example.com"},
        "/api/v1/invites": {"addresses": ["a@example.com"]},
        "/api/v1/invites/{invite_id}/revoke": {},
        "/api/v1/imports/preview": file,
        "/api/v1/imports": file | {"token": shown},
        "/api/v1/export": {"addresses": ["a@example.com"]},
        "/api/v1/webhooks/test": {"receiver": "desk"},
        "/api/v1/webhooks/deliveries/{delivery_id}/repeat": {},
        "/invite/look": {"token": token},
        "/invite/start": {"token": token},
        "/shared-report/look": {"token": shared},
        "/api/v1/report-links": {},
        "/api/v1/report-links/{link_id}/revoke": {},
        "/api/v1/mailboxes/rename": {"address": "former@example.com", "new_address": "b2@example.com", "check": False},
        "/api/v1/consents/{consent_id}/accept": {},
        "/api/v1/mailboxes/export-data": {"addresses": ["a@example.com"], "confirmation": "a@example.com"},
        "/api/v1/mailboxes/remove": {"addresses": ["a@example.com"], "confirmation": "a@example.com"},
        "/api/v1/removals/{removal_id}/continue": {},
        "/api/v1/mailboxes/sync": {"admin": ADMIN, "kind": "pool", "apply": True},
    }
    changing = {route["path"] for route in site.routes if set(route["methods"]) - {"GET", "HEAD"}}
    assert changing == set(bodies), "give the new route a body here"
    return bodies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_another_site_changes_nothing(site: Site, headers: dict[str, str]):
    bodies, before = changes(site), site.contents()
    with site.browser() as browser:
        del browser.headers["origin"]
        for path, body in bodies.items():
            answer = browser.post(path_of({"path": path}), json=body, headers=headers)
            assert answer.status_code == 403, path
            assert site.origin in answer.json()["detail"]
    assert site.contents() == before


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}])
def test_another_site_leaves_no_trace_with_a_get(site: Site, headers: dict[str, str]):
    site.add("a@example.com")
    before = site.contents()
    with site.browser() as browser:
        del browser.headers["origin"]
        for route in site.routes:
            if not route["mount"] and "GET" in route["methods"]:
                browser.get(path_of(route), headers=headers)
        assert site.contents() == before
        assert browser.get(f"{API}/export", headers=headers).status_code == 403


def test_a_recorded_download_by_get_needs_a_token(site: Site):
    site.add("a@example.com")
    with site.stranger() as client:
        del client.headers["origin"]
        answer = client.get(f"{API}/export", headers={"Authorization": f"Bearer {site.tokens['op']}"})
        assert answer.text.count("a@example.com") == 1
        assert client.get(f"{API}/export", headers={"Authorization": "Bearer x"}).status_code in (401, 403)


class _Counting(SimpleAuthManager):
    """Airflow's simple auth manager, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def is_authorized_connection(self, *, method: Any, user: Any, **details: Any) -> bool:
        self.asked.append(method)
        return super().is_authorized_connection(method=method, user=user, **details)


@pytest.mark.parametrize(("role", "asked"), [("op", ["GET", "PUT"]), ("viewer", ["GET"])])
def test_the_auth_manager_is_asked_once_for_each_request(role: str, asked: list[str], monkeypatch: pytest.MonkeyPatch):
    manager = _Counting()
    monkeypatch.setattr(permissions, "get_auth_manager", lambda: manager)
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    user = SimpleAuthManagerUser(username="kim", role=role)
    for permission in (*Permission, *Permission):
        with suppress(HTTPException):
            permissions.check_permission(permission, request, user)
    assert manager.asked == asked


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_client_that_is_no_browser_needs_no_origin(site: Site, headers: dict[str, str]):
    token = {"Authorization": f"Bearer {site.tokens['op']}"}
    for path, body in changes(site).items():
        answer = httpx.post(site.origin + path_of({"path": path}), json=body, headers=headers | token, timeout=60)
        assert answer.status_code == (410 if path.endswith("/accept") else 200), answer.text  # no consent waits for it


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_cannot_be_a_body(site: Site, op: httpx.Client, content_type: str):
    bodies, before = changes(site), site.contents()
    for path in bodies:
        answer = op.post(
            path_of({"path": path}), content=b'{"addresses":["a@example.com"]}', headers={"Content-Type": content_type}
        )
        assert answer.status_code == 415, path
    assert site.contents() == before


def test_a_field_that_nobody_asked_for_is_refused(site: Site, op: httpx.Client):
    bodies, before = changes(site), site.contents()
    for path, body in bodies.items():
        for extra in ("created_by", "warmup_days"):
            answer = op.post(path_of({"path": path}), json=body | {extra: 1})
            assert answer.status_code == 422, path
            assert answer.json()["errors"] == [{"field": extra, "message": "is not known"}]
    assert site.contents() == before


ELSEWHERE = "https://evil.example/"


@pytest.mark.parametrize("who", [None, "op"])
def test_no_parameter_leads_to_another_site(site: Site, who: str | None):
    site.add("a@example.com")
    names = ("next", "next_url", "url", "redirect", "redirect_uri", "return_to", "back", "reauth", "address", "state")
    with site.browser(who) as browser:
        for route in site.routes:
            if route["mount"] or "GET" not in route["methods"]:
                continue
            answer = browser.get(path_of(route), params=dict.fromkeys(names, ELSEWHERE))
            links = re.findall(r'(?:href|src|action|data-shell)="([^"]*)"', answer.text)
            assert not [link for link in links if link.startswith(ELSEWHERE)], route["path"]
            assert not answer.headers.get("location", "").startswith(ELSEWHERE), route["path"]


def test_no_input_becomes_a_header(site: Site, op: httpx.Client):
    site.add("a@example.com")
    hostile = "x\r\nSet-Cookie: planted=1\r\nLocation: https://evil.example/\r\n\r\n<script>"
    answers = [
        op.get(path_of(route), params=dict.fromkeys(("state", "code", "error", "reauth", "address", "q"), hostile))
        for route in site.routes
        if "GET" in route["methods"] and not route["mount"]
    ]
    answers.append(op.post(f"{API}/consents", json={"address": f"a@example.com{hostile}", "purpose": "reauth"}))
    answers.append(op.post(f"{MOUNT}/invite/look", json={"token": hostile}))
    answers.append(op.get(LIST, headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}))
    for answer in answers:
        headers = dict(answer.headers)
        if headers.get("location", "").startswith("./mailboxes?"):  # the query of an old link to the list, encoded
            assert quote("\r\n") in headers.pop("location")
        assert "planted" not in str(headers)
        assert "evil.example" not in str(headers)
        assert answer.status_code < 500


def test_a_browser_with_a_planted_cookie_gets_one_of_its_own(site: Site):
    """Of a cookie that we did not make, the browser is rid with its first consent."""
    site.add("a@example.com")
    for planted in ("fixed", "x" * 44, "../" * 14 + "x", "\u00e9" * 43):
        with site.browser() as browser:
            header = {"Cookie": f"_token={site.tokens['op']}; gmail_warmup_browser={planted}".encode()}
            answer = browser.post(
                f"{API}/consents", json={"address": "a@example.com", "purpose": "reauth"}, headers=header
            )
        value = answer.cookies["gmail_warmup_browser"]
        assert len(value) == 43
        assert value not in planted


def test_reading_changes_nothing(site: Site, op: httpx.Client):
    site.add("a@example.com", kind="warmup")
    before = site.contents()
    for route in site.routes:
        if "GET" in route["methods"] and not route["mount"]:
            op.get(path_of(route), params={"reauth": "a@example.com", "state": "x", "code": "y"})
    assert site.contents() == before


def test_every_answer_has_the_headers(site: Site, op: httpx.Client):
    site.add("a@example.com")
    with site.browser(None) as stranger:
        answers = [
            op.get(LIST),
            op.get(f"{API}/counts"),
            op.get(f"{API}/mailboxes/none@example.com"),
            op.post(f"{API}/consents", json={}),
            op.get(f"{MOUNT}/oauth/callback", params={"state": "x", "code": "y"}),
            stranger.get(LIST),
            stranger.get(f"{MOUNT}/static/app.css"),
            stranger.get(f"{MOUNT}/nothing"),
            stranger.get(f"{MOUNT}/invite"),
            stranger.get(f"{MOUNT}/invite/thanks"),
            stranger.get(f"{MOUNT}/shared-report"),
            stranger.post(f"{MOUNT}/invite/look", json={"token": "x"}),
        ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        public = (f"{MOUNT}/oauth/callback", f"{MOUNT}/invite", f"{MOUNT}/shared-report")
        secretive = answer.request.url.path.startswith(public)
        assert ("frame-ancestors 'none'" if secretive else "frame-ancestors 'self'") in policy
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == ("no-referrer" if secretive else "same-origin")
        static = "/static/" in answer.request.url.path
        assert answer.headers["cache-control"] == ("no-cache" if static else "no-store")


def test_pages_hold_no_inline_script_or_style(site: Site, op: httpx.Client):
    site.add("a@example.com")
    inside = (
        "/",
        "/mailboxes?reauth=a@example.com",
        "/mailboxes/a@example.com",
        "/import",
        "/invites",
        "/changes",
        "/report",
        "/removals",
        "/directory",
        "/dag/gmail_warmup",
        "/nothing",
    )
    for path in (*inside, "/shared-report", "/invite", "/invite/thanks", "/oauth/callback"):
        text = op.get(MOUNT + path).text
        assert "<script>" not in text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        # A link to Google, and the scopes that a person copies.
        known = re.sub(
            r'<a href="https://myaccount.google.com/connections"|<code>https://www.googleapis.com/', "", text
        )
        assert "https://" not in known

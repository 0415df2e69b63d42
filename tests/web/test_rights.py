"""Who gets in, on every route that the application has; and what no request may do."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from web.kit import API, MOUNT, Site

KNOWN = {"/", "/oauth/callback", "/api/v1/mailboxes", "/api/v1/consents", "/api/v1/openapi.json"}


def requests_of(site: Site, browser: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Send one request to each route with each of its methods; the routes are what the running application has."""
    assert {route["path"] for route in site.routes} >= KNOWN
    for route in site.routes:
        if route["mount"]:
            continue
        path = MOUNT + route["path"].replace("{address:path}", "a@example.com")
        assert "{" not in path, "give the new path parameter a value here"
        for method in route["methods"]:
            body = None if method in ("GET", "HEAD") else {}
            yield f"{method} {route['path']}", browser.request(method, path, json=body)


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


@pytest.mark.parametrize("who", ["op", "admin"])
def test_every_route_serves_who_may_edit_connections(site: Site, who: str):
    site.add("a@example.com")
    with site.browser(who) as browser:
        found = {name: answer.status_code for name, answer in requests_of(site, browser)}
    # An empty body is wrong input, and the callback without a state is not ours; neither is a matter of rights.
    assert {name: status for name, status in found.items() if status in (401, 403) or status >= 500} == {}
    assert found["GET /"] == found["GET /api/v1/openapi.json"] == 200


def test_what_changes_something_asks_for_the_right_to_edit(site: Site):
    """Airflow's simple auth manager has no role that may read Connections and not edit them, so look at the routes."""
    for route in site.routes:
        if route["mount"]:
            continue
        changes_something = route["path"] == "/oauth/callback" or set(route["methods"]) - {"GET", "HEAD"}
        assert route["rights"] == (["GET", "PUT"] if changes_something else ["GET"]), route["path"]


def test_only_styles_scripts_and_icons_are_open(site: Site):
    assert [route["path"] for route in site.routes if route["mount"]] == ["/static"]
    with site.browser(None) as browser:
        for name in ("app.css", "page.js", "theme.js", "icon-light.svg", "icon-dark.svg"):
            assert browser.get(f"{MOUNT}/static/{name}").status_code == 200
        for path in ("/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py"):
            assert browser.get(MOUNT + path).status_code == 404


def test_who_is_not_signed_in_reads_where_to_do_so(site: Site):
    with site.browser(None) as browser:
        page = browser.get(f"{MOUNT}/")
    assert page.headers["content-type"].startswith("text/html")
    assert "/auth/login?next=" in page.text
    assert "Please sign in" in page.text


def changes(site: Site) -> dict[str, dict[str, object]]:
    """Return a body that works for every route that changes something."""
    bodies: dict[str, dict[str, object]] = {
        "/api/v1/mailboxes": {"address": "a@example.com", "settings": {"kind": "pool", "daily_target": 7}},
        "/api/v1/mailboxes/pause": {"addresses": ["a@example.com"]},
        "/api/v1/mailboxes/resume": {"addresses": ["a@example.com"]},
        "/api/v1/consents": {"address": "a@example.com", "purpose": "reauth"},
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
    site.add("a@example.com")
    before = site.contents()
    with site.browser() as browser:
        del browser.headers["origin"]
        for path, body in changes(site).items():
            answer = browser.post(MOUNT + path, json=body, headers=headers)
            assert answer.status_code == 403, path
            assert site.origin in answer.json()["detail"]
    assert site.contents() == before


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_client_that_is_no_browser_needs_no_origin(site: Site, headers: dict[str, str]):
    site.add("a@example.com")
    token = {"Authorization": f"Bearer {site.tokens['op']}"}
    for path, body in changes(site).items():
        answer = httpx.post(site.origin + MOUNT + path, json=body, headers=headers | token)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_cannot_be_a_body(site: Site, op: httpx.Client, content_type: str):
    site.add("a@example.com")
    before = site.contents()
    for path in changes(site):
        answer = op.post(
            MOUNT + path, content=b'{"addresses":["a@example.com"]}', headers={"Content-Type": content_type}
        )
        assert answer.status_code == 415, path
    assert site.contents() == before


def test_reading_changes_nothing(site: Site, op: httpx.Client):
    site.add("a@example.com", kind="warmup")
    before = site.contents()
    for route in site.routes:
        if "GET" in route["methods"] and not route["mount"]:
            path = MOUNT + route["path"].replace("{address:path}", "a@example.com")
            op.get(path, params={"reauth": "a@example.com", "state": "x", "code": "y"})
    assert site.contents() == before


def test_every_answer_has_the_headers(site: Site, op: httpx.Client):
    site.add("a@example.com")
    with site.browser(None) as stranger:
        answers = [
            op.get(f"{MOUNT}/"),
            op.get(f"{API}/counts"),
            op.get(f"{API}/mailboxes/none@example.com"),
            op.post(f"{API}/consents", json={}),
            op.get(f"{MOUNT}/oauth/callback", params={"state": "x", "code": "y"}),
            stranger.get(f"{MOUNT}/"),
            stranger.get(f"{MOUNT}/static/app.css"),
            stranger.get(f"{MOUNT}/nothing"),
        ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        callback = answer.request.url.path.endswith("/oauth/callback")
        assert answer.headers["referrer-policy"] == ("no-referrer" if callback else "same-origin")
        static = "/static/" in answer.request.url.path
        assert answer.headers["cache-control"] == ("no-cache" if static else "no-store")


def test_pages_hold_no_inline_script_or_style(site: Site, op: httpx.Client):
    site.add("a@example.com")
    for path in ("/", "/?reauth=a@example.com", "/oauth/callback", "/nothing"):
        text = op.get(MOUNT + path).text
        assert "<script>" not in text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert "https://" not in text

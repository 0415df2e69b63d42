"""What OWASP lists for a page like this and no other file tests; SECURITY.md has the whole list with its tests."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from gmail_warmup.oauth.consent.flow import MAX_INVITE_CONSENTS_PER_HOUR
from gmail_warmup.warmup.content.generators import ChatGenerator, GeneratorError
from gmail_warmup.warmup.content.templates import MailKind
from web.kit import API, MOUNT, Site, at_google, follow, invite, path_of, start

ADA = "ada@pool.example"
COOKIE = "gmail_warmup_browser"


def test_brute_force_an_invite_begins_a_bounded_number_of_consents(site: Site, op: httpx.Client):
    site.add(ADA)
    token = invite(op, ADA)
    with site.stranger() as one, site.stranger() as other:
        for number in range(MAX_INVITE_CONSENTS_PER_HOUR):
            follow(one if number % 2 else other, token)  # the limit is the invite's, not a browser's or a network's
        answers = [who.post(f"{MOUNT}/invite/start", json={"token": token}) for who in (one, other)]
        assert [answer.status_code for answer in answers] == [429, 429]
        assert "Wait an hour" in answers[0].json()["detail"]
        assert site.sql("SELECT count(*) AS n FROM gmail_warmup.consent")[0]["n"] == MAX_INVITE_CONSENTS_PER_HOUR
        site.sql("UPDATE gmail_warmup.consent SET created_at = created_at - interval '61 minutes'")
        assert one.get(at_google(follow(one, token), ADA)).status_code == 303


def test_session_fixation_a_browser_value_that_somebody_else_knows_is_worth_nothing(site: Site, op: httpx.Client):
    """Who planted the value of the cookie and even read the address of Google's page still is another user."""
    site.add(ADA)
    op.cookies.set(COOKIE, "f" * 43, path=MOUNT)
    back = at_google(start(op, ADA), ADA)
    before = site.contents()
    with site.browser("other-op") as attacker, site.browser(None) as nobody:
        for browser, refused in ((attacker, 400), (nobody, 401)):
            browser.cookies.set(COOKIE, "f" * 43, path=MOUNT)
            assert browser.get(back).status_code == refused
    assert site.contents() == before
    assert op.get(back).status_code == 303


def test_session_fixation_a_consent_leaves_airflows_session_alone(site: Site, op: httpx.Client):
    site.add(ADA)
    answers = [op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"})]
    answers.append(op.get(at_google(str(answers[0].json()["url"]), ADA)))
    names = {cookie.name for answer in answers for cookie in answer.cookies.jar}
    assert names == {COOKIE, "gmail_warmup_notice"}


def test_sniffing_and_caching_every_answer_says_what_it_is_and_is_kept_nowhere(site: Site, op: httpx.Client):
    site.add("a@example.com")
    for route in site.routes:
        if route["mount"] or "GET" not in route["methods"]:
            continue
        answer = op.get(path_of(route))
        assert answer.headers["x-content-type-options"] == "nosniff", route["path"]
        assert answer.headers["cache-control"] == "no-store", route["path"]
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in ("text/html", "application/json", "application/problem+json", "text/csv"), route["path"]
        if kind == "text/csv":
            assert answer.headers["content-disposition"].startswith("attachment"), route["path"]


@pytest.mark.parametrize("field", ["id", "created_by", "warmup_days", "state", "refresh_token", "band", "auth\u200b"])
def test_mass_assignment_settings_take_no_field_that_is_not_theirs(site: Site, op: httpx.Client, field: str):
    before = site.contents()
    settings = {"kind": "pool", field: "1"}
    for path, body in (
        ("/mailboxes", {"address": ADA, "settings": settings}),
        ("/consents", {"address": ADA, "purpose": "add", "settings": settings}),
        ("/mailboxes/change", {"addresses": [ADA], "changes": {field: "1"}}),
    ):
        assert op.post(API + path, json=body).status_code == 422, path
    assert site.contents() == before


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server that sends everybody on to its own `/inside`, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/inside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_forged_requests_the_text_generator_is_followed_nowhere(elsewhere: tuple[str, list[str]]):
    url, asked = elsewhere
    chat = ChatGenerator(templates=None, base_url=url, model="m")  # type: ignore[arg-type]
    with pytest.raises(GeneratorError, match="HTTP status 307"):
        chat._request_text(MailKind.FIRST, "A question")
    assert asked == ["/chat/completions"]


def test_forged_requests_no_input_is_an_address_that_the_server_asks(
    site: Site, op: httpx.Client, elsewhere: tuple[str, list[str]]
):
    url, asked = elsewhere
    site.add("a@example.com")
    names = (
        "url",
        "uri",
        "redirect_uri",
        "auth_uri",
        "token_uri",
        "api_endpoint",
        "next",
        "address",
        "q",
        "state",
        "code",
    )
    for route in site.routes:
        if route["mount"]:
            continue
        for method in route["methods"]:
            body = None if method in ("GET", "HEAD") else dict.fromkeys(names, url)
            op.request(method, path_of(route), params=dict.fromkeys(names, url), json=body, headers={"Host": url[7:]})
    assert asked == []


def test_a_field_that_is_no_text_is_refused_in_the_same_way(site: Site, op: httpx.Client):
    for body in (
        b'{"addresses": ["a@example.com"], "\\ud800": 1}',
        b'{"addresses": ["\\ud800"], "changes": {"\\udfff": 1}}',
    ):
        answer = op.post(f"{API}/mailboxes/change", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["errors"]

"""The OAuth flow over HTTP: Airflow's api-server on one side, Google's stand-in on the other."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gmail_sandbox.gmail.errors import error_body
from web.kit import API, CLIENT_ID, LIST, MOUNT, Site, at_google, changed, start

ADA, BOB = "ada@example.com", "bob@example.com"


def test_a_reauthentication_changes_the_grant_alone(site: Site, op: httpx.Client):
    site.add(ADA, "warmup", daily_target=33, open_rate=12, reply_rate=3, timezone="Asia/Tokyo", display_name="Ada")
    site.add(BOB)
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), paused_by = 'x', pause_reason = 'holiday'")
    mailboxes, bob, before = [site.mailbox(ADA), site.mailbox(BOB)], site.grant(BOB), site.grant(ADA)

    callback = at_google(start(op, ADA), ADA)
    done = op.get(callback)

    assert done.status_code == 303
    assert done.headers["location"] == f"{site.origin}/plugin/gmail-accounts{LIST}"
    grant = site.grant(ADA)
    assert (before["state"], grant["state"], grant["reason"]) == ("needs_reauth", "active", None)
    assert grant["version"] == before["version"] + 1
    assert grant["refresh_token"]
    assert "1//0" not in grant["refresh_token"], "it must be encrypted"
    assert [site.mailbox(ADA), site.mailbox(BOB)] == mailboxes
    assert site.grant(BOB) == bob
    event = site.sql("SELECT * FROM gmail_warmup.grant_event ORDER BY id DESC LIMIT 1")[0]
    assert (event["actor"], event["to_state"], event["reason"]) == ("op", "active", "consent")


def test_the_page_says_once_what_was_done(site: Site, op: httpx.Client):
    site.add(ADA)
    op.get(at_google(start(op, ADA), ADA))
    assert f"{ADA} works again" in op.get(LIST).text
    assert "works again" not in op.get(LIST).text


def test_a_mailbox_is_added_when_its_owner_consents_and_not_before(site: Site, op: httpx.Client):
    site.sandbox.put_mailbox(ADA)
    chosen = {"kind": "warmup", "daily_target": 40, "open_rate": 70, "reply_rate": 20, "timezone": "Europe/Berlin"}
    url = start(op, " Ada@Example.com ", "add", **chosen)
    assert site.sql("SELECT * FROM gmail_warmup.mailbox") == []
    op.get(at_google(url, ADA))
    row = site.mailbox(ADA)
    assert {key: row[key] for key in chosen} == chosen
    assert row["created_by"] == "op"
    assert site.grant(ADA)["state"] == "active"


def test_adding_a_mailbox_twice_updates_it(site: Site, op: httpx.Client):
    site.add(ADA, "pool")
    created = site.mailbox(ADA)["created_at"]
    op.get(at_google(start(op, ADA, "add", kind="pool", daily_target=9), ADA))
    rows = site.sql("SELECT * FROM gmail_warmup.mailbox")
    assert [(row["address"], row["daily_target"], row["created_at"]) for row in rows] == [(ADA, 9, created)]


def test_the_request_to_google_is_the_safest_that_google_knows(site: Site, op: httpx.Client):
    site.add(ADA)
    url = start(op, ADA)
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    assert query["redirect_uri"] == f"{site.origin}{MOUNT}/oauth/callback"
    assert (query["code_challenge_method"], query["access_type"], query["prompt"]) == ("S256", "offline", "consent")
    assert query["login_hint"] == ADA
    assert len(query["state"]) >= 43
    assert query["state"] not in str(site.contents())


def test_the_redirect_does_not_follow_the_host_of_the_request(site: Site, op: httpx.Client):
    site.add(ADA)
    answer = op.post(
        f"{API}/consents",
        json={"address": ADA, "purpose": "reauth"},
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    )
    assert "evil.example" not in answer.json()["url"]


def test_the_browsers_cookie(site: Site, op: httpx.Client):
    site.add(ADA)
    answer = op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Path={MOUNT}" in cookie
    value = op.cookies["gmail_warmup_browser"]
    assert len(value) == 43
    assert value not in str(site.contents())
    start(op, ADA)
    assert op.cookies["gmail_warmup_browser"] == value, "a second consent must not orphan the first"


def test_two_consents_of_one_browser_do_not_disturb_each_other(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    first, second = start(op, ADA), start(op, BOB)
    assert op.get(at_google(second, BOB)).status_code == 303
    assert op.get(at_google(first, ADA)).status_code == 303


@dataclass(frozen=True)
class Refused:
    """One way to be refused: what happens between the start and the callback, and what the page must say."""

    refusal: str
    status: int
    come_back: Callable[[Site, httpx.Client], httpx.Response]
    words: tuple[str, ...]


def wrong_account(site: Site, op: httpx.Client) -> httpx.Response:
    site.sandbox.put_mailbox(BOB)
    return op.get(at_google(start(op, ADA), BOB))


def cancelled(site: Site, op: httpx.Client) -> httpx.Response:
    return op.get(at_google(start(op, ADA), ADA, "cancel"))


def box_unticked(site: Site, op: httpx.Client) -> httpx.Response:
    url = start(op, ADA)
    scopes = parse_qs(urlsplit(url).query)["scope"][0]
    return op.get(at_google(changed(url, scope=f"{scopes} openid"), ADA, scope=["openid"]))


def no_refresh_token(site: Site, op: httpx.Client) -> httpx.Response:
    return op.get(at_google(changed(start(op, ADA), access_type=None), ADA))


def expired(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    site.sql("UPDATE gmail_warmup.consent SET expires_at = now() - interval '1 second'")
    return op.get(callback)


def replayed(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA, "cancel")
    op.get(callback)
    return op.get(callback)


def another_browser(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    with site.browser("op") as other:
        start(other, ADA)
        return other.get(callback)


def no_cookie(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    with site.browser("op") as other:
        return other.get(callback)


def another_user(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    op.cookies.set("_token", site.tokens["other-op"])
    return op.get(callback)


def made_up(site: Site, op: httpx.Client) -> httpx.Response:
    start(op, ADA)
    return op.get(f"{MOUNT}/oauth/callback", params={"state": "made-up-state", "code": "made-up-code"})


def google_down(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    site.sandbox.add_fault("token", answer={"status": 503, "body": "<p>down</p>"})
    return op.get(callback)


def google_cut_off(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    site.sandbox.add_fault("token", close=True)
    return op.get(callback)


def gmail_down(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    site.sandbox.add_fault("gmail", answer={"status": 500, "body": {}})
    return op.get(callback)


def client_refused(site: Site, op: httpx.Client) -> httpx.Response:
    callback = at_google(start(op, ADA), ADA)
    site.sandbox.refuse_client("client-1.apps.example.com", "invalid_client")
    return op.get(callback)


@dataclass(frozen=True)
class Answered:
    """A consent during which Google or Gmail gives a certain answer."""

    where: str
    status: int
    body: object
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def __name__(self) -> str:
        return f"{self.where}-{self.status}-{str(self.body)[:60]}"

    def __call__(self, site: Site, op: httpx.Client) -> httpx.Response:
        callback = at_google(start(op, ADA), ADA)
        answer = {"status": self.status, "body": self.body, "headers": dict(self.headers)}
        site.sandbox.add_fault(self.where, answer=answer)
        return op.get(callback)


def gmail_error(status: int, reason: str, message: str = "") -> Answered:
    return Answered("gmail", status, error_body(status, message, reason))


def code_error(error: str, status: int = 400) -> Answered:
    return Answered("token", status, {"error": error, "error_description": "Bad Request"})


def google_error(site: Site, op: httpx.Client) -> httpx.Response:
    state = parse_qs(urlsplit(start(op, ADA)).query)["state"][0]
    return op.get(f"{MOUNT}/oauth/callback", params={"state": state, "error": "server_error"})


REFUSED = [
    Refused(
        "wrong_account", 403, wrong_account,
        (f"for {ADA}, but {BOB} signed in", f"choose {ADA}", f"Is {BOB} the same account?"),
    ),
    Refused("cancelled", 400, cancelled, ("cancelled", "Allow")),
    Refused("scope_unticked", 403, box_unticked, ("box", "ticked")),
    Refused("no_refresh_token", 502, no_refresh_token, ("refresh token", "https://myaccount.google.com/connections")),
    Refused("expired_link", 410, expired, ("expired", "Start again")),
    Refused("replayed_link", 410, replayed, ("already used",)),
    Refused("unknown_link", 400, another_browser, ("another browser",)),
    Refused("unknown_link", 400, no_cookie, ("another browser",)),
    Refused("unknown_link", 400, another_user, ("another Airflow user",)),
    Refused("unknown_link", 400, made_up, ("incomplete",)),
    Refused("google_unreachable", 502, google_down, ("Wait a minute",)),
    Refused("google_unreachable", 502, google_cut_off, ("Wait a minute",)),
    Refused("google_unreachable", 502, gmail_down, ("Wait a minute",)),
    Refused("client_refused", 502, client_refused, ("OAuth client", "gmail_oauth_client")),
    Refused("refused_by_google", 502, google_error, ("an error instead of an authorization code",)),
    Refused("google_unreachable", 502, Answered("gmail", 302, "", (("location", "http://login.test/"),)), ("Wait",)),
    Refused("google_unreachable", 502, Answered("gmail", 403, "<p>Blocked</p>"), ("not from Google",)),
    Refused("google_unreachable", 502, Answered("gmail", 400, "<p>Bad</p>"), ("not from Google",)),
    Refused("google_unreachable", 502, Answered("gmail", 200, {"login": "please"}), ("not from Google",)),
    Refused("google_unreachable", 502, gmail_error(403, "newReason"), ("unknown response",)),
    Refused("google_unreachable", 502, Answered("token", 200, {"access_token": "a\u0000b"}), ("cannot be used",)),
    Refused("network_failed", 502, Answered("gmail", 407, "<p>Proxy</p>"), ("through the proxy", "HTTPS_PROXY")),
    Refused("mailbox_refused", 403, gmail_error(400, "failedPrecondition", "Mail service not enabled"),
            ("Gmail is switched off", "administrator")),
    Refused("mailbox_refused", 403, gmail_error(403, "domainPolicy"), ("administrator", "API controls")),
    Refused("mailbox_refused", 403, code_error("admin_policy_enforced"), ("administrator", "API controls")),
    Refused("temporarily_refused", 503, gmail_error(403, "userRateLimitExceeded"), ("limits the rate", "some minutes")),
    Refused("temporarily_refused", 503, gmail_error(429, "rateLimitExceeded"), ("limits the rate",)),
    Refused("temporarily_refused", 503, gmail_error(400, "failedPrecondition", "Precondition check failed."),
            ("precondition", "some minutes")),
    Refused("temporarily_refused", 503, gmail_error(401, "authError"), ("rejected a new access token",)),
    Refused("temporarily_refused", 503,
            Answered("token", 429, {"error": "rate_limit_exceeded"}, (("retry-after", "7000"),)), ("117 minutes",)),
    Refused("client_refused", 502, gmail_error(403, "accessNotConfigured"), ("Gmail API", "Google Cloud console")),
    Refused("client_refused", 502, code_error("deleted_client", 401), ("deleted", "Restore it")),
    Refused("scope_unticked", 403, gmail_error(403, "insufficientPermissions"), ("box", "ticked")),
    Refused("code_used", 410, code_error("invalid_grant"), ("used up", "Start again")),
    Refused("redirect_uri_mismatch", 502, code_error("redirect_uri_mismatch"),
            ("/oauth/callback", "Google Cloud console")),
]  # fmt: skip


WITH_HELP_FOR_GOOGLES_PAGE = {"cancelled", "expired_link", "refused_by_google", "unknown_link"}
"""Refusals that may be caused by an error that Google showed on its own page."""


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.come_back.__name__)
def test_a_refusal_changes_nothing_and_says_what_to_do(site: Site, op: httpx.Client, case: Refused):
    site.add(ADA)
    before, events = site.grant(ADA), site.sql("SELECT * FROM gmail_warmup.grant_event")
    page = case.come_back(site, op)
    assert page.status_code == case.status
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert f'data-refusal="{case.refusal}"' in page.text
    for words in (*case.words, "Nothing was changed", "What to do"):
        assert words in page.text
    assert f'href="{site.origin}/plugin/gmail-accounts' in page.text
    assert site.grant(ADA) == before
    assert site.sql("SELECT * FROM gmail_warmup.grant_event") == events


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.come_back.__name__)
def test_a_refusal_starts_the_same_consent_again_where_it_is_known(site: Site, op: httpx.Client, case: Refused):
    site.add(ADA)
    page = case.come_back(site, op).text
    request = re.search(r'data-request="([^"]+)"', page)
    assert bool(request) == (case.refusal != "unknown_link")
    shows_help = f"{site.origin}{MOUNT}/oauth/callback</code>" in page  # the address to be pasted at Google
    assert shows_help == (case.refusal in WITH_HELP_FOR_GOOGLES_PAGE)
    if request:
        site.sandbox.clear_faults()
        site.sandbox.refuse_client(CLIENT_ID, None)
        again = op.post(f"{API}/consents", json=json.loads(html.unescape(request[1])))
        assert op.get(at_google(again.json()["url"], ADA)).status_code == 303
        assert site.grant(ADA)["state"] == "active"


def test_a_refused_addition_starts_again_with_what_was_chosen(site: Site, op: httpx.Client):
    site.sandbox.put_mailboxes([ADA, BOB])
    chosen = {"kind": "warmup", "daily_target": 41, "timezone": "Asia/Tokyo", "display_name": "Ada & Co's"}
    page = op.get(at_google(start(op, ADA, "add", **chosen), BOB)).text
    request = re.search(r'data-request="([^"]+)"', page)
    assert request
    again = op.post(f"{API}/consents", json=json.loads(html.unescape(request[1])))
    op.get(at_google(again.json()["url"], ADA))
    assert {key: site.mailbox(ADA)[key] for key in chosen} == chosen


def test_every_refusal_is_tested():
    from gmail_warmup.oauth.consent.errors import ConsentRefusal
    from gmail_warmup.web.views.consent_errors import REFUSAL_TEXTS

    here = {case.refusal for case in REFUSED}
    elsewhere = {"invite_over", "mailbox_removed", "decision_over"}  # tests of invites, removals and other accounts
    assert here | elsewhere == {refusal.value for refusal in ConsentRefusal} == {*REFUSAL_TEXTS}


def test_a_refused_addition_adds_nothing(site: Site, op: httpx.Client):
    site.sandbox.put_mailboxes([ADA, BOB])
    page = op.get(at_google(start(op, ADA, "add", kind="pool"), BOB))
    assert page.status_code == 403
    assert site.sql("SELECT * FROM gmail_warmup.mailbox") == []


def test_a_used_link_stays_used(site: Site, op: httpx.Client):
    site.add(ADA)
    callback = at_google(start(op, ADA), ADA)
    assert op.get(callback).status_code == 303
    after = site.contents()
    assert op.get(callback).status_code == 410
    assert site.contents() == after


def test_code_and_state_are_in_no_log(site: Site, op: httpx.Client):
    site.add(ADA)
    callback = at_google(start(op, ADA), ADA)
    with site.browser(None) as stranger, site.browser("viewer") as viewer:
        statuses = [browser.get(callback).status_code for browser in (stranger, viewer, op)]
    assert statuses == [401, 403, 303]
    log = site.log()
    assert log.count("/oauth/callback") >= 3, "the access log must be on, or this test says nothing"
    query = parse_qs(urlsplit(callback).query)
    for secret in (query["code"][0], query["state"][0], op.cookies["gmail_warmup_browser"]):
        # Part of it, so that an encoded form would be found as well.
        assert secret[-24:] not in log
    assert "GOCSPX" not in log


def test_the_callback_survives_nonsense(site: Site, op: httpx.Client):
    for query in (
        "",
        "state",
        "state=%ff%fe&code=%00",
        "state=" + "x" * 20_000,
        "&".join(f"a{i}=1" for i in range(60)),
    ):
        assert op.get(f"{MOUNT}/oauth/callback?{query}").status_code == 400

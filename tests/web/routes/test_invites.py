"""Invites over HTTP: what an owner without a login can do, and that nobody else can do or learn anything."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from web.kit import API, CLIENT_ID, MOUNT, OPEN, Site, at_google, changed, follow, invite, start

ADA, BOB = "ada@example.com", "bob@example.com"
INSIDE = ("airflow", "gmail-accounts", "gmail accounts", "connection", "operator", "dag ", "needs_reauth")
"""Words of this installation that the owner of a mailbox has no business with."""


@pytest.fixture
def owner(site: Site) -> Iterator[httpx.Client]:
    """Yield the browser of a mailbox's owner, without a login."""
    with site.stranger() as browser:
        yield browser


def assert_shows_nothing_inside(page: httpx.Response) -> None:
    text = re.sub(r"<link[^>]*>|<script[^>]*>", "", page.text).lower()
    assert [word for word in INSIDE if word in text.replace("myaccount.google.com/connections", "")] == []
    assert not re.search(r'href="(?!https://myaccount\.google\.com/connections|[./]*invite")', text)


def test_an_owner_without_a_login_connects_the_mailbox(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA, "warmup", daily_target=33)
    site.add(BOB)
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), pause_reason = 'holiday'")
    mailboxes, bob = [site.mailbox(ADA), site.mailbox(BOB)], site.grant(BOB)
    token = invite(op, ADA)

    assert owner.get(f"{MOUNT}/invite").status_code == 200
    seen = owner.post(f"{MOUNT}/invite/look", json={"token": token}).json()
    assert set(seen) == {"address", "expires_at"}
    assert seen["address"] == ADA
    done = owner.get(at_google(follow(owner, token), ADA))

    assert done.status_code == 303
    assert done.headers["location"] == f"{site.origin}{MOUNT}/invite/thanks"
    thanks = owner.get(done.headers["location"])
    assert "Your mailbox is connected" in thanks.text
    assert site.grant(ADA)["state"] == "active"
    assert [site.mailbox(ADA), site.mailbox(BOB)] == mailboxes
    assert site.grant(BOB) == bob
    event = site.sql("SELECT * FROM gmail_warmup.grant_event ORDER BY id DESC LIMIT 1")[0]
    assert (event["actor"], event["to_state"]) == ("invite:1 (op)", "active")
    assert op.get(f"{API}/invites").json()["invites"][0]["state"] == "used"


def test_the_request_to_google_is_the_same_as_for_a_user(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    asked = [urlsplit(url) for url in (start(op, ADA), follow(owner, invite(op, ADA)))]
    queries = [parse_qs(url.query) for url in asked]
    for query in queries:
        assert len(query.pop("state")[0]) >= 43
        assert len(query.pop("code_challenge")[0]) == 43
    assert queries[0] == queries[1]
    assert asked[0]._replace(query="") == asked[1]._replace(query="")


def test_the_public_pages_show_nothing_of_what_is_inside(site: Site, owner: httpx.Client):
    site.add(ADA)
    for path in ("/invite", "/invite/thanks", "/invite/nothing"):
        page = owner.get(MOUNT + path)
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert ADA not in page.text
        assert_shows_nothing_inside(page)
    assert "set-cookie" not in owner.get(f"{MOUNT}/invite").headers


def test_without_a_script_the_page_says_what_it_says_of_every_dead_link(site: Site, owner: httpx.Client):
    page = owner.get(f"{MOUNT}/invite").text
    over = page[page.index('<section id="over">') : page.index("</section>")]
    assert "This link is no longer valid" in over
    assert "Ask the sender for a new link." in over
    assert 'id="invite" hidden' in page
    assert 'id="trouble" hidden' in page


def test_every_open_route_is_known_here():
    assert set(OPEN) == {
        "/invite", "/invite/thanks", "/invite/look", "/invite/start", "/shared-report", "/shared-report/look",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/invite", "/shared-report"])
def test_a_link_check_by_head_gets_what_a_browser_gets(site: Site, path: str):
    with site.stranger() as scanner:
        page, checked = scanner.get(f"{MOUNT}{path}"), scanner.head(f"{MOUNT}{path}")
    assert (checked.status_code, checked.content) == (200, b"")
    for name in ("content-type", "cache-control", "referrer-policy", "content-security-policy"):
        assert checked.headers[name] == page.headers[name]


def used(site: Site, op: httpx.Client) -> str:
    token = invite(op, ADA)
    with site.stranger() as other:
        other.get(at_google(follow(other, token), ADA))
    return token


def revoked(site: Site, op: httpx.Client) -> str:
    token = invite(op, ADA)
    assert op.post(f"{API}/invites/1/revoke", json={}).json()["state"] == "revoked"
    return token


def expired(site: Site, op: httpx.Client) -> str:
    token = invite(op, ADA)
    site.sql("UPDATE gmail_warmup.invite SET expires_at = now()")
    return token


def of_a_service_account_by_now(site: Site, op: httpx.Client) -> str:
    token = invite(op, ADA)
    site.sql("UPDATE gmail_warmup.mailbox SET auth = 'delegated'")
    return token


def of_another(site: Site, op: httpx.Client) -> str:
    token = invite(op, ADA)
    return ("A" if token[0] != "A" else "B") + token[1:]


DEAD: list[Callable[[Site, httpx.Client], str]] = [
    used, revoked, expired, of_a_service_account_by_now, of_another,
    lambda site, op: "x" * 43, lambda site, op: "", lambda site, op: "nonsense", lambda site, op: "\u00e9\x00' OR 1=1",
]  # fmt: skip


def test_every_dead_link_gets_one_and_the_same_answer(site: Site, op: httpx.Client, owner: httpx.Client):
    answers = set()
    for make in DEAD:
        site.sql("TRUNCATE gmail_warmup.mailbox RESTART IDENTITY CASCADE")
        site.sql("TRUNCATE gmail_warmup.invite RESTART IDENTITY CASCADE")
        site.add(ADA)
        token = make(site, op)
        before = site.contents()
        for path in ("look", "start"):
            answer = owner.post(f"{MOUNT}/invite/{path}", json={"token": token})
            headers = {name: value for name, value in answer.headers.items() if name != "date"}
            answers.add((answer.status_code, answer.text, str(headers)))
        assert site.contents() == before
    assert len(answers) == 1, answers
    ((status, text, headers),) = answers
    assert status == 404
    assert "Ask the sender for a new link." in text
    assert "set-cookie" not in headers


def test_an_invites_token_is_nowhere_but_in_its_link(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    token = invite(op, ADA)
    assert len(token) == 43
    callback = at_google(follow(owner, token), ADA)
    owner.get(callback)
    for place in (str(site.contents()), site.log(), op.get(f"{API}/invites").text, op.get(f"{MOUNT}/invites").text):
        assert token[:20] not in place
    query = parse_qs(urlsplit(callback).query)
    for secret in (query["code"][0], query["state"][0], owner.cookies["gmail_warmup_browser"]):
        assert secret[-24:] not in site.log()
        assert secret not in str(site.contents())


def cancelled(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    return owner.get(at_google(follow(owner, token), ADA, "cancel"))


def wrong_account(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    return owner.get(at_google(follow(owner, token), BOB))


def box_unticked(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    url = follow(owner, token)
    scopes = parse_qs(urlsplit(url).query)["scope"][0]
    return owner.get(at_google(changed(url, scope=f"{scopes} openid"), ADA, scope=["openid"]))


def no_refresh_token(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    return owner.get(at_google(changed(follow(owner, token), access_type=None), ADA))


def consent_expired(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    callback = at_google(follow(owner, token), ADA)
    site.sql("UPDATE gmail_warmup.consent SET expires_at = now()")
    return owner.get(callback)


def google_down(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    callback = at_google(follow(owner, token), ADA)
    site.sandbox.add_fault("token", answer={"status": 503, "body": "<p>down</p>"})
    return owner.get(callback)


def client_refused(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    callback = at_google(follow(owner, token), ADA)
    site.sandbox.refuse_client(CLIENT_ID, "invalid_client")
    return owner.get(callback)


def google_error(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    state = parse_qs(urlsplit(follow(owner, token)).query)["state"][0]
    return owner.get(f"{MOUNT}/oauth/callback", params={"state": state, "error": "server_error"})


def replayed(site: Site, owner: httpx.Client, token: str) -> httpx.Response:
    callback = at_google(follow(owner, token), ADA, "cancel")
    owner.get(callback)
    return owner.get(callback)


REFUSED = [
    ("cancelled", 400, cancelled, "press Allow"),
    ("wrong_account", 403, wrong_account, f"for {ADA}, but {BOB} signed in"),
    ("scope_unticked", 403, box_unticked, "ticked"),
    ("no_refresh_token", 502, no_refresh_token, "myaccount.google.com/connections"),
    ("expired_link", 410, consent_expired, "open your link again"),
    ("google_unreachable", 502, google_down, "wait a minute"),
    ("client_refused", 502, client_refused, "Tell the sender of the link"),
    ("refused_by_google", 502, google_error, "an error instead of an authorization code"),
    ("replayed_link", 410, replayed, "already used"),
]


@pytest.mark.parametrize(("refusal", "status", "come_back", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_refusal_changes_nothing_and_leaves_the_invite_usable(
    site: Site,
    op: httpx.Client,
    owner: httpx.Client,
    refusal: str,
    status: int,
    come_back: Callable[[Site, httpx.Client, str], httpx.Response],
    words: str,
):
    site.add(ADA)
    site.sandbox.put_mailbox(BOB)
    token, before = invite(op, ADA), site.grant(ADA)
    page = come_back(site, owner, token)
    assert page.status_code == status
    assert f'data-refusal="{refusal}"' in page.text
    assert words.lower() in html.unescape(page.text).lower()
    assert "your link again" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert_shows_nothing_inside(page)
    assert site.grant(ADA) == before
    site.sandbox.clear_faults()
    site.sandbox.refuse_client(CLIENT_ID, None)
    assert owner.get(at_google(follow(owner, token), ADA)).status_code == 303
    assert site.grant(ADA)["state"] == "active"


def test_of_two_browsers_with_one_invite_one_wins(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    token = invite(op, ADA)
    with site.stranger() as other:
        first, second = at_google(follow(owner, token), ADA), at_google(follow(other, token), ADA)
        assert owner.get(second).status_code == 401, "a state is bound to the browser that began it"
        assert owner.get(first).status_code == 303
        after = site.grant(ADA)
        late = other.get(second)
    assert (late.status_code, 'data-refusal="replayed_link"' in late.text) == (410, True)
    assert site.grant(ADA) == after
    assert after["version"] == 1


def end_by_revoking(site: Site, op: httpx.Client) -> None:
    assert op.post(f"{API}/invites/1/revoke", json={}).status_code == 200


def end_by_time(site: Site, op: httpx.Client) -> None:
    site.sql("UPDATE gmail_warmup.invite SET expires_at = now()")


@pytest.mark.parametrize("end", [end_by_revoking, end_by_time], ids=["revoked", "expired"])
def test_an_invite_that_ends_ends_the_consents_that_run_on_it(
    site: Site, op: httpx.Client, owner: httpx.Client, end: Callable[[Site, httpx.Client], None]
):
    site.add(ADA)
    callback = at_google(follow(owner, invite(op, ADA)), ADA)
    end(site, op)
    before = site.grant(ADA)
    page = owner.get(callback)
    assert (page.status_code, 'data-refusal="invite_over"' in page.text) == (410, True)
    assert "Ask the sender for a new link." in page.text
    assert_shows_nothing_inside(page)
    assert site.grant(ADA) == before
    assert site.sandbox.token_requests() == [], "no grant is made at Google for nothing"


def test_a_consent_does_not_outlive_its_invite(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    token = invite(op, ADA)
    site.sql("UPDATE gmail_warmup.invite SET expires_at = now() + interval '1 minute'")
    follow(owner, token)
    (row,) = site.sql("SELECT c.expires_at = i.expires_at AS same FROM gmail_warmup.consent c, gmail_warmup.invite i")
    assert row["same"]


def test_a_stranger_learns_nothing_at_the_callback_and_uses_nothing_up(
    site: Site, op: httpx.Client, owner: httpx.Client
):
    """A consent of a user, one of an invite in another browser, a used one, a state made up: all one answer."""
    site.add(ADA)
    site.add(BOB)
    token = invite(op, ADA)
    of_user, of_invite, spent = (
        at_google(start(op, BOB), BOB), at_google(follow(owner, token), ADA), at_google(start(op, BOB), BOB),
    )  # fmt: skip
    assert op.get(spent).status_code == 303
    callbacks = [of_user, of_invite, spent, changed(of_user, state="x" * 43), f"{site.origin}{MOUNT}/oauth/callback"]
    cookies = [None, "y" * 43, op.cookies["gmail_warmup_browser"], owner.cookies["gmail_warmup_browser"]]
    before = site.contents()
    for who, status in ((None, 401), ("viewer", 403)):
        answers = set()
        for callback in callbacks:
            for cookie in cookies:
                if callback is of_invite and cookie == cookies[-1]:
                    continue  # its own browser
                with site.browser(who) as browser:
                    if cookie:
                        browser.cookies.set("gmail_warmup_browser", cookie)
                    answer = browser.get(callback)
                answers.add((answer.status_code, answer.text, answer.headers.get("set-cookie")))
        assert {answer[0] for answer in answers} == {status}
        assert len(answers) == 1
    assert site.contents() == before
    assert op.get(of_user).status_code == 303
    assert owner.get(of_invite).status_code == 303


def test_somebody_who_is_signed_in_cannot_finish_a_strangers_invite(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    callback = at_google(follow(owner, invite(op, ADA)), ADA)
    page = op.get(callback)
    assert (page.status_code, 'data-refusal="unknown_link"' in page.text) == (400, True)
    assert owner.get(callback).status_code == 303


@pytest.mark.parametrize("who", ["viewer", "op"])
def test_whoever_is_signed_in_may_follow_an_invite_too(site: Site, op: httpx.Client, who: str):
    site.add(ADA)
    with site.browser(who) as browser:
        done = browser.get(at_google(follow(browser, invite(op, ADA)), ADA))
    assert done.headers["location"].endswith("/invite/thanks")
    assert site.sql("SELECT actor FROM gmail_warmup.grant_event ORDER BY id DESC LIMIT 1") == [
        {"actor": "invite:1 (op)"}
    ]


def test_an_outage_tells_the_owner_nothing_of_what_is_inside(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    token = invite(op, ADA)
    callback = at_google(follow(owner, token), ADA)
    site.sql("ALTER SCHEMA gmail_warmup RENAME TO hidden")
    try:
        asked = [owner.post(f"{MOUNT}/invite/{path}", json={"token": token}) for path in ("look", "start")]
        at_callback = owner.get(callback)
    finally:
        site.sql("ALTER SCHEMA hidden RENAME TO gmail_warmup")
    for answer in asked:
        assert answer.status_code == 503
        assert "Try again in a few minutes" in answer.json()["detail"]
        assert_shows_nothing_inside(answer)
    assert at_callback.status_code == 401, "whose consent it is cannot be known, so nothing is told"
    assert "db migrate" not in at_callback.text
    assert owner.get(callback).status_code == 303, "and nothing was used up"


def test_an_error_in_the_middle_tells_the_owner_nothing_either(site: Site, op: httpx.Client, owner: httpx.Client):
    site.add(ADA)
    callback = at_google(follow(owner, invite(op, ADA)), ADA)
    site.sql("ALTER TABLE gmail_warmup.oauth_grant RENAME TO hidden")
    try:
        page = owner.get(callback)
    finally:
        site.sql("ALTER TABLE gmail_warmup.hidden RENAME TO oauth_grant")
    assert page.status_code == 503
    assert "Try again in a few minutes" in page.text
    assert_shows_nothing_inside(page)


def listed(op: httpx.Client, **query: Any) -> list[int]:
    return [row["id"] for row in op.get(f"{API}/invites", params=query).json()["invites"]]


@pytest.fixture
def five(site: Site, op: httpx.Client) -> Site:
    """Invites 1 to 5: used, revoked, expired, open, and an open one for Bob."""
    site.add(ADA)
    site.add(BOB)
    used(site, op)
    for _ in range(3):
        invite(op, ADA)
    invite(op, BOB)
    op.post(f"{API}/invites/2/revoke", json={})
    site.sql("UPDATE gmail_warmup.invite SET expires_at = now() WHERE id = 3")
    return site


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"address": ADA}, [4, 3, 2, 1]),
        ({"address": " ADA@example.com"}, [4, 3, 2, 1]),
        ({"address": "nobody@example.com"}, []),
        ({"state": "open"}, [5, 4]),
        ({"state": "used"}, [1]),
        ({"state": "revoked"}, [2]),
        ({"state": "expired"}, [3]),
        ({"state": "open", "address": BOB}, [5]),
        ({"limit": 2}, [5, 4]),
        ({"limit": 2, "before": 4}, [3, 2]),
        ({"limit": 2, "after": 1}, [3, 2]),
    ],
)
def test_the_list_is_filtered_and_paged(five: Site, op: httpx.Client, query: dict[str, Any], expected: list[int]):
    assert listed(op, **query) == expected
    if "limit" not in query:
        page = op.get(f"{MOUNT}/invites", params=query).text
        assert [int(number) for number in re.findall(r'data-invite="(\d+)"', page)] == expected


def test_the_edges_of_a_page_lead_to_its_neighbours(five: Site, op: httpx.Client):
    first = op.get(f"{API}/invites", params={"limit": 2}).json()
    assert (first["older_before"], first["newer_after"]) == (4, None)
    second = op.get(f"{API}/invites", params={"limit": 2, "before": 4}).json()
    assert (second["older_before"], second["newer_after"]) == (2, 3)
    assert listed(op, limit=2, after=second["newer_after"]) == [5, 4]
    last = op.get(f"{API}/invites", params={"limit": 2, "before": 2}).json()
    assert (last["older_before"], last["newer_after"]) == (None, 1)


def test_the_page_pages_too(site: Site, op: httpx.Client):
    site.add(ADA)
    site.sql(
        "INSERT INTO gmail_warmup.invite (token_hash, mailbox_id, created_by, expires_at)"
        " SELECT n::text, 1, 'test', now() + interval '1 day' FROM generate_series(1, 230) n"
    )
    path, seen = "./invites?state=open", []
    while path:
        text = op.get(f"{MOUNT}/{path.removeprefix('./')}").text
        seen += [int(number) for number in re.findall(r'data-invite="(\d+)"', text)]
        older = re.search(r'rel="next" href="([^"]+)"', text)
        path = html.unescape(older[1]) if older else ""
    assert seen == list(range(230, 0, -1))


def test_an_invite_is_listed_with_who_made_it_and_until_when(five: Site, op: httpx.Client):
    row = op.get(f"{API}/invites", params={"address": BOB}).json()["invites"][0]
    assert (row["address"], row["created_by"], row["state"], row["revoked_by"]) == (BOB, "op", "open", None)
    (days,) = five.sql("SELECT extract(day FROM expires_at - created_at) AS n FROM gmail_warmup.invite WHERE id = 5")
    assert days["n"] == 7
    assert op.get(f"{API}/invites", params={"state": "revoked"}).json()["invites"][0]["revoked_by"] == "op"
    page = op.get(f"{MOUNT}/invites").text
    assert "by op" in page
    assert re.findall(r'data-revoke="(\d+)"', page) == ["5", "4"], "only what is open can be revoked"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("invites", {"addresses": [ADA, "who@example.com"]}, 404, "who@example.com"),
        ("invites", {"addresses": [ADA, "robot@example.com"]}, 422, "robot@example.com: accessed by a service account"),
        ("invites", {"addresses": []}, 422, "addresses"),
        ("invites", {"addresses": ["nobody"]}, 422, "name@domain"),
        ("invites/77/revoke", {}, 404, "There is no invite 77"),
        ("invites/0/revoke", {}, 422, "invite_id"),
        ("invites/99999999999999999999/revoke", {}, 422, "invite_id"),
        ("invites/1/revoke", {}, 422, "was used"),
    ],
)
def test_a_wrong_change_changes_nothing(
    five: Site, op: httpx.Client, path: str, body: dict[str, Any], status: int, words: str
):
    five.add("robot@example.com", auth="delegated")
    before = five.contents()
    answer = op.post(f"{API}/{path}", json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert five.contents() == before


def test_revoking_twice_is_no_error(five: Site, op: httpx.Client):
    row = five.sql("SELECT revoked_at FROM gmail_warmup.invite WHERE id = 2")
    assert op.post(f"{API}/invites/2/revoke", json={}).status_code == 200
    assert op.post(f"{API}/invites/3/revoke", json={}).json()["state"] == "expired"
    assert five.sql("SELECT revoked_at FROM gmail_warmup.invite WHERE id = 2") == row


def test_several_invites_at_once(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    made = op.post(f"{API}/invites", json={"addresses": [BOB, ADA, f" {BOB.upper()}"]}).json()["invites"]
    assert [row["address"] for row in made] == [ADA, BOB]
    assert len({row["url"] for row in made}) == 2
    for row in made:
        with site.stranger() as browser:
            token = row["url"].partition("#")[2]
            assert browser.post(f"{MOUNT}/invite/look", json={"token": token}).json()["address"] == row["address"]


def test_what_a_person_typed_is_never_markup(site: Site, op: httpx.Client):
    site.add("o'x&{{7*7}}@example.com")
    invite(op, "o'x&{{7*7}}@example.com")
    site.sql("UPDATE gmail_warmup.invite SET created_by = '<script>alert(1)</script>'")
    for query in ({}, {"address": '"><script>alert(1)</script>'}, {"state": "<i>", "before": "x", "after": "-1"}):
        text = op.get(f"{MOUNT}/invites", params=query).text
        assert "<script>alert" not in text
        assert "49@example.com" not in text


@pytest.mark.parametrize("wrong", ["\x00", "a\x00@pool.example", "\r\n\x00", "%", "<i>"])
def test_whatever_invites_are_looked_for_by_there_is_an_answer(op: httpx.Client, wrong: str):
    answer = op.get(f"{API}/invites", params={"address": wrong})
    assert (answer.status_code, answer.json()["invites"]) == (200, [])
    assert op.get(f"{MOUNT}/invites", params={"address": wrong}).status_code == 200

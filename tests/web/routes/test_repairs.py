"""The repair queue over HTTP: one consent leads to the next, and whatever goes wrong leads to the queue's page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import httpx
import pytest

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from web.kit import API, LIST, MOUNT, Site, at_google, start

SEVEN = [f"box{number}@example.com" for number in range(1, 8)]
PAGE = "/plugin/gmail-accounts/gmail-warmup/repairs"


@pytest.fixture
def seven(site: Site) -> Site:
    """Seven mailboxes whose owners have to sign in, and two that need nobody."""
    for address in (*SEVEN, "valid@example.com"):
        site.add(address)
    site.add("robot@example.com", auth="delegated")
    site.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL WHERE mailbox_id ="
        " (SELECT id FROM gmail_warmup.mailbox WHERE address = 'valid@example.com')"
    )
    return site


def begin(browser: httpx.Client, **body: object) -> str:
    """Start a queue; return the address of Google's page."""
    answer = browser.post(f"{API}/repairs", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def sign_in(browser: httpx.Client, **body: object) -> str:
    answer = browser.post(f"{API}/repairs/sign-in", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def hint(url: str) -> str:
    """Return the account that Google's page suggests."""
    return httpx.URL(url).params["login_hint"]


def consent(browser: httpx.Client, url: str, account: str = "", decision: str = "allow") -> str:
    """Answer Google's page; return where the callback leads to."""
    done = browser.get(at_google(url, account or hint(url), decision))
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def shown(browser: httpx.Client) -> tuple[dict[str, str], str]:
    """Return the status of each mailbox on the queue's page, and the page."""
    answer = browser.get(f"{MOUNT}/repairs")
    assert answer.status_code == 200
    text = html.unescape(answer.text)
    return dict(re.findall(r'<li data-address="([^"]+)" data-status="(\w+)">', text)), text


def test_seven_repairs_take_seven_consents_and_nothing_else(seven: Site, op: httpx.Client):
    url, met = begin(op), []
    while not url.endswith(PAGE):
        met.append(hint(url))
        url = consent(op, url)
    assert met == SEVEN
    assert {seven.grant(address)["state"] for address in SEVEN} == {"active"}
    statuses, page = shown(op)
    assert statuses == dict.fromkeys(SEVEN, "repaired")
    assert "7 repaired, 0 skipped, 0 failed." in page


def test_a_queue_takes_the_mailboxes_of_a_filter(seven: Site, op: httpx.Client):
    url = begin(op, filter={"q": "box3"})
    assert hint(url) == "box3@example.com"
    assert consent(op, url).endswith(PAGE)
    assert list(shown(op)[0]) == ["box3@example.com"]
    refused = op.post(f"{API}/repairs", json={"filter": {"q": "valid@"}})
    assert refused.status_code == 422
    assert "No mailbox of this selection" in refused.json()["detail"]


FAILURES: dict[str, tuple[Callable[[Site, httpx.Client, str], str], str]] = {
    "cancelled": (lambda site, op, url: consent(op, url, decision="cancel"), "Consent was cancelled at Google"),
    "wrong account": (
        lambda site, op, url: consent(op, url, account="valid@example.com"),
        "for box1@example.com, but valid@example.com signed in",
    ),
    "expired": (
        lambda site, op, url: (
            site.sql("UPDATE gmail_warmup.consent SET expires_at = now() - interval '1 second'"),
            consent(op, url),
        )[1],
        "This consent has expired",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_consent_leads_to_the_page_and_the_queue_goes_on(seven: Site, op: httpx.Client, case: str):
    fail, words = FAILURES[case]
    assert fail(seven, op, begin(op)).endswith(PAGE)
    statuses, page = shown(op)
    assert statuses == dict.fromkeys(SEVEN, "waiting") | {SEVEN[0]: "failed"}
    assert words in page
    assert "2 of 7" in page
    url = sign_in(op)
    for expected in SEVEN[1:]:
        assert hint(url) == expected
        url = consent(op, url)
    assert url.endswith(PAGE)
    assert "6 repaired, 0 skipped, 1 failed." in shown(op)[1]
    assert consent(op, sign_in(op)).endswith(PAGE), "what failed waits again"
    assert shown(op)[0] == dict.fromkeys(SEVEN, "repaired")


def recognise(browser: httpx.Client, url: str, account: str) -> str:
    """Sign in with an account that may be the same one; return the page that asks."""
    page = browser.get(at_google(url, account))
    assert page.status_code == 403, page.text
    return page.text


@pytest.fixture
def renamed(seven: Site) -> str:
    """Return the new address of an account whose mailbox has no mail by which it can be recognised."""
    seven.sandbox.put_mailbox("renamed@example.com")
    return "renamed@example.com"


def test_a_person_who_does_not_recognise_an_account_returns_to_the_queue(seven: Site, op: httpx.Client, renamed: str):
    page = recognise(op, begin(op), renamed)
    assert f'{PAGE}" data-leave>Back to the repair queue</a>' in page
    assert shown(op)[0] == dict.fromkeys(SEVEN, "waiting") | {SEVEN[0]: "failed"}
    found = re.search(r'id="again" data-path="([^"]+)" data-request="([^"]+)"', page)
    assert found
    path, request = found.groups()
    again = op.post(f"{API}/{path}", json=json.loads(html.unescape(request))).json()["url"]
    assert hint(again) == SEVEN[0]
    assert hint(consent(op, again)) == SEVEN[1], "the queue continues"


def test_a_person_who_recognises_an_account_returns_to_the_queue(seven: Site, renamed: str):
    with seven.browser("admin") as admin:
        page = recognise(admin, begin(admin), renamed)
        found = re.search(r'data-consent="(\d+)"', page)
        assert found
        accepted = admin.post(f"{API}/consents/{found[1]}/accept", json={})
        assert accepted.json()["url"].endswith(PAGE), accepted.text
        assert shown(admin)[0] == {renamed: "repaired"} | dict.fromkeys(SEVEN[1:], "waiting")
        assert hint(sign_in(admin)) == SEVEN[1]


def test_an_abandoned_consent_still_waits(seven: Site, op: httpx.Client):
    url = begin(op)
    abandoned = consent(op, url)
    assert hint(abandoned) == SEVEN[1]
    statuses, page = shown(op)
    assert (statuses[SEVEN[0]], statuses[SEVEN[1]]) == ("repaired", "waiting")
    assert "2 of 7" in page
    assert "Continue the queue: 2 of 7" in html.unescape(op.get(LIST).text)
    assert hint(sign_in(op)) == SEVEN[1]


def test_a_mailbox_is_skipped_and_returned_to(seven: Site, op: httpx.Client):
    consent(op, begin(op))
    assert op.post(f"{API}/repairs/skip", json={"address": SEVEN[1]}).json() == {"waiting": 5}
    url = sign_in(op)
    for expected in SEVEN[2:]:
        assert hint(url) == expected
        url = consent(op, url)
    statuses, page = shown(op)
    assert statuses[SEVEN[1]] == "skipped"
    assert "6 repaired, 1 skipped, 0 failed." in page
    assert consent(op, sign_in(op, address=SEVEN[1])).endswith(PAGE)
    assert shown(op)[0] == dict.fromkeys(SEVEN, "repaired")


@pytest.mark.parametrize("address", [f"ADA.L@{CONSUMER_DOMAINS[1]}", f"adal@{CONSUMER_DOMAINS[0]}"])
def test_a_mailbox_of_the_queue_is_named_in_any_spelling(site: Site, op: httpx.Client, address: str):
    stored = f"ad.al@{CONSUMER_DOMAINS[0]}"
    with site.engine.begin() as connection:
        repository.add_or_update(connection, stored, MailboxSettings(kind="pool"), actor="test")
    begin(op)
    assert hint(sign_in(op, address=address)) == stored
    assert op.post(f"{API}/repairs/skip", json={"address": address}).json() == {"waiting": 0}


def test_a_single_sign_in_does_not_continue_a_queue(seven: Site, op: httpx.Client):
    begin(op)
    assert consent(op, start(op, SEVEN[0])).endswith("/gmail-warmup/mailboxes")
    assert shown(op)[0][SEVEN[0]] == "repaired", "however it was repaired"


def test_a_mailbox_that_somebody_else_repaired_is_left_out(seven: Site, op: httpx.Client):
    url = begin(op)
    with seven.browser("other-op") as other:
        consent(other, start(other, SEVEN[1]))
    assert hint(consent(op, url)) == SEVEN[2]


def test_each_user_has_a_queue(seven: Site, op: httpx.Client):
    begin(op)
    with seven.browser("other-op") as other:
        assert "No repair queue" in shown(other)[1]
        for path, body in (("sign-in", {}), ("sign-in", {"address": SEVEN[0]}), ("skip", {"address": SEVEN[0]})):
            assert other.post(f"{API}/repairs/{path}", json=body).status_code in (404, 422)
        begin(other, filter={"q": "box5"})
        assert list(shown(other)[0]) == [SEVEN[4]]
    assert list(shown(op)[0]) == SEVEN


def test_a_callback_in_another_browser_does_not_continue_the_queue(seven: Site, op: httpx.Client):
    callback = at_google(begin(op), SEVEN[0])
    with seven.browser("op") as elsewhere:
        assert elsewhere.get(callback).status_code == 400
    assert seven.grant(SEVEN[0])["state"] == "needs_reauth"

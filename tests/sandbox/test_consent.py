"""The consent page and the flow that google_auth_oauthlib drives over it."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from google_auth_oauthlib.flow import Flow

from gmail_sandbox.client import SandboxClient
from sandbox.kit import CLIENT, REDIRECT, SECRET

MODIFY = "https://www.googleapis.com/auth/gmail.modify"
SEND = "https://www.googleapis.com/auth/gmail.send"


def _query(**changes: str | None) -> str:
    fields: dict[str, str | None] = {
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": MODIFY,
        "state": "s-1",
        "access_type": "offline",
        "prompt": "consent",
    }
    return "/o/oauth2/v2/auth?" + urlencode({k: v for k, v in (fields | changes).items() if v is not None})


def _allow(http: httpx.Client, url: str, account: str, **form: str | list[str]) -> httpx.Response:
    return http.post(url, data={"account": account, "decision": "allow"} | form)


def _back(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(REDIRECT + "?")
    return {key: rows[0] for key, rows in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def _exchange(http: httpx.Client, code_given: str, **fields: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "client_id": CLIENT, "client_secret": SECRET, "redirect_uri": REDIRECT}
    return http.post("/token", data=form | {"code": code_given} | fields)


@pytest.fixture(autouse=True)
def _mailboxes(sandbox: SandboxClient) -> None:
    sandbox.put_mailboxes(["ann@example.com", "bob@example.org"])


def test_google_auth_oauthlib_flow_with_pkce(
    sandbox: SandboxClient, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    config = {
        "web": {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "auth_uri": sandbox.auth_uri,
            "token_uri": sandbox.token_uri,
        }
    }
    flow = Flow.from_client_config(config, scopes=[MODIFY], redirect_uri=REDIRECT)
    url, state = flow.authorization_url(access_type="offline", prompt="consent", login_hint="bob@example.org")
    assert "code_challenge=" in url
    back = _allow(http, url, "bob@example.org")
    assert _back(back)["state"] == state

    flow.fetch_token(authorization_response=back.headers["location"])

    assert flow.credentials.refresh_token.startswith("1//")
    profile = http.get(
        "/gmail/v1/users/me/profile", headers={"authorization": f"Bearer {flow.credentials.token}"}
    ).json()
    assert profile["emailAddress"] == "bob@example.org"


def test_page_puts_the_hinted_account_first_and_escapes_names(sandbox: SandboxClient, http: httpx.Client) -> None:
    sandbox.put_mailbox("bob@example.org", display_name="<b>Bob</b>")
    page = http.get(_query(login_hint="Bob@Example.org")).text
    assert re.search(r'id="account".*?<option value="bob@example.org" selected>', page, re.DOTALL)
    assert "<b>Bob" not in page
    assert "not Google" in page
    assert 'id="allow"' in page
    assert 'id="cancel"' in page
    assert 'name="scope"' not in page, "one scope is stated, not asked"


def test_two_scopes_can_be_unticked(http: httpx.Client) -> None:
    url = _query(scope=f"{MODIFY} {SEND}")
    assert http.get(url).text.count('name="scope"') == 2
    back = _back(_allow(http, url, "ann@example.com", scope=[SEND]))
    assert back["scope"] == SEND
    assert _exchange(http, back["code"]).json()["scope"] == SEND


def test_many_accounts_can_be_typed(sandbox: SandboxClient, http: httpx.Client) -> None:
    sandbox.put_mailboxes([f"user{number:03}@example.net" for number in range(200)])
    url = _query()
    assert 'name="other_account"' in http.get(url).text
    back = _back(_allow(http, url, "ann@example.com", other_account="user150@example.net"))
    token = _exchange(http, back["code"]).json()["access_token"]
    profile = http.get("/gmail/v1/users/me/profile", headers={"authorization": f"Bearer {token}"})
    assert profile.json()["emailAddress"] == "user150@example.net"


def test_cancel_goes_back_with_access_denied(http: httpx.Client) -> None:
    answer = http.post(_query(), data={"account": "ann@example.com", "decision": "cancel"})
    assert _back(answer) == {"error": "access_denied", "state": "s-1"}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_request"),
        ({"redirect_uri": REDIRECT + "/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": None}, "redirect_uri_mismatch"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_request"),
        ({"scope": "gmail.everything"}, "invalid_scope"),
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_refusals_stay_on_the_page(http: httpx.Client, change: dict[str, str | None], shown: str) -> None:
    answer = http.get(_query(**change))
    assert answer.status_code == 400
    assert shown in answer.text
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        ({"publishing": "internal", "org_domain": "example.org"}, "org_internal"),
        ({"publishing": "testing", "test_users": ["bob@example.org"]}, "access_denied"),
    ],
)
def test_account_refusals_stay_on_the_page(
    sandbox: SandboxClient, http: httpx.Client, client: dict[str, object], shown: str
) -> None:
    sandbox.put_client(CLIENT, client_secrets=[SECRET], redirect_uris=[REDIRECT], **client)
    refused = _allow(http, _query(), "ann@example.com")
    assert refused.status_code == 400
    assert shown in refused.text
    assert "code" in _back(_allow(http, _query(), "bob@example.org"))


def test_an_account_beyond_the_limit_of_users_is_refused_on_the_page(
    sandbox: SandboxClient, http: httpx.Client
) -> None:
    sandbox.put_client(CLIENT, client_secrets=[SECRET], redirect_uris=[REDIRECT], user_limit=1)
    sandbox.grant("ann@example.com", CLIENT, scopes=[MODIFY])
    refused = _allow(http, _query(), "bob@example.org")
    assert refused.status_code == 400
    assert "Sign in with Google temporarily disabled for this app" in refused.text
    assert "location" not in refused.headers
    assert "code" in _back(_allow(http, _query(), "ann@example.com")), "it has its place"
    sandbox.delete_mailbox("ann@example.com")
    assert _allow(http, _query(), "bob@example.org").status_code == 400, "the place stays taken"


def test_client_can_require_pkce(sandbox: SandboxClient, http: httpx.Client) -> None:
    sandbox.put_client(CLIENT, redirect_uris=[REDIRECT], require_pkce=True)
    assert "code_challenge" in http.get(_query()).text
    assert http.get(_query(code_challenge="x", code_challenge_method="S256")).status_code == 200


def test_unknown_account_is_not_found(http: httpx.Client) -> None:
    answer = _allow(http, _query(), "nobody@example.com")
    assert answer.status_code == 400
    assert "nobody@example.com is not a mailbox" in unescape(answer.text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"prompt": None}, [True, False]),
        ({"prompt": "consent"}, [True, True]),
        ({"access_type": "online"}, [False, False]),
    ],
)
def test_refresh_token_comes_with_the_first_consent_or_when_asked(
    http: httpx.Client, query: dict[str, str | None], expected: list[bool]
) -> None:
    codes = [_back(_allow(http, _query(**query), "ann@example.com"))["code"] for _ in expected[:1]]
    answers = [_exchange(http, codes[0]).json()]
    answers.append(_exchange(http, _back(_allow(http, _query(**query), "ann@example.com"))["code"]).json())
    assert ["refresh_token" in answer for answer in answers] == expected


@pytest.mark.parametrize(
    ("fields", "error", "description"),
    [
        ({"redirect_uri": REDIRECT + "/other"}, "redirect_uri_mismatch", "Bad Request"),
        ({}, "invalid_grant", "Missing code verifier."),
        ({"code_verifier": "wrong"}, "invalid_grant", "Invalid code verifier."),
        ({"code": "4/0Anothing"}, "invalid_grant", "Malformed auth code."),
        ({"code": ""}, "invalid_request", "Missing required parameter: code"),
    ],
)
def test_code_is_checked(http: httpx.Client, fields: dict[str, str], error: str, description: str) -> None:
    url = _query(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method="S256")
    code = _back(_allow(http, url, "ann@example.com"))["code"]
    refused = _exchange(http, code, **fields)
    assert refused.status_code == 400
    assert refused.json() == {"error": error, "error_description": description}
    # RFC 7636, appendix B: the verifier of that challenge. A refused try does not use the code up.
    taken = _exchange(http, code, code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert taken.status_code == 200


def test_code_is_used_once_and_only_for_ten_minutes(sandbox: SandboxClient, http: httpx.Client) -> None:
    code = _back(_allow(http, _query(), "ann@example.com"))["code"]
    assert _exchange(http, code).status_code == 200
    assert _exchange(http, code).json()["error"] == "invalid_grant"
    late = _back(_allow(http, _query(), "ann@example.com"))["code"]
    sandbox.advance(601)
    assert _exchange(http, late).json()["error"] == "invalid_grant"


def test_testing_client_foretells_its_seven_days(sandbox: SandboxClient, http: httpx.Client) -> None:
    sandbox.put_client(CLIENT, client_secrets=[SECRET], redirect_uris=[REDIRECT], publishing="testing")
    tokens = _exchange(http, _back(_allow(http, _query(), "ann@example.com"))["code"]).json()
    assert tokens["refresh_token_expires_in"] == 604799
    form = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": SECRET}
    form["refresh_token"] = tokens["refresh_token"]
    # Publishing does not help a token that was minted in Testing.
    sandbox.put_client(CLIENT, client_secrets=[SECRET], redirect_uris=[REDIRECT], publishing="production")
    sandbox.advance(7 * 86400 - 60)
    assert http.post("/token", data=form).status_code == 200
    sandbox.advance(61)
    assert http.post("/token", data=form).json()["error_description"] == "Token has been expired or revoked."


def test_granted_scopes_can_be_included(http: httpx.Client) -> None:
    first = _back(_allow(http, _query(scope=SEND), "ann@example.com"))
    _exchange(http, first["code"])
    second = _back(_allow(http, _query(scope=MODIFY, include_granted_scopes="true"), "ann@example.com"))
    assert set(second["scope"].split()) == {SEND, MODIFY}

"""The token endpoint: refreshes, every way a grant dies, revocation, and the log of requests."""

from __future__ import annotations

import logging
from collections.abc import Callable

import google.auth.exceptions
import httpx
import pytest
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.fault_catalog import CATALOGUE, CAUSES
from sandbox.kit import CLIENT, SECRET, Gmail

ADDRESS = "ann@example.com"
Refresh = Callable[..., httpx.Response]


@pytest.fixture(autouse=True)
def _mailbox(sandbox: SandboxClient) -> None:
    sandbox.put_mailbox(ADDRESS)


def _credentials(sandbox: SandboxClient, refresh_token: str, secret: str = SECRET) -> Credentials:
    return Credentials(
        None, refresh_token=refresh_token, token_uri=sandbox.token_uri, client_id=CLIENT, client_secret=secret
    )


def test_google_auth_refreshes(sandbox: SandboxClient) -> None:
    credentials = _credentials(sandbox, sandbox.grant(ADDRESS, CLIENT).refresh_token)
    credentials.refresh(Request())
    profile = Gmail(sandbox.base_url, credentials.token).users.getProfile(userId=ADDRESS).execute()
    assert profile["emailAddress"] == ADDRESS


def test_answer_has_googles_shape(sandbox: SandboxClient, refresh: Refresh) -> None:
    answer = refresh(sandbox.grant(ADDRESS, CLIENT).refresh_token)
    body = answer.json()
    assert answer.status_code == 200
    assert body.pop("access_token").startswith("ya29.")
    scope = "https://www.googleapis.com/auth/gmail.modify"
    assert body == {"expires_in": 3599, "scope": scope, "token_type": "Bearer"}


def test_client_may_authenticate_by_basic(sandbox: SandboxClient, http: httpx.Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": sandbox.grant(ADDRESS, CLIENT).refresh_token}
    assert http.post("/token", data=form, auth=(CLIENT, SECRET)).status_code == 200
    assert http.post("/token", data=form, auth=(CLIENT, "wrong")).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_id": ""}, 400, "invalid_request"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"refresh_token": "1//0unknown"}, 400, "invalid_grant"),
        ({"scope": "https://mail.google.com/"}, 400, "invalid_scope"),
        ({"client_id": "client-2", "client_secret": "secret-2"}, 401, "unauthorized_client"),
    ],
)
def test_requests_are_refused_as_google_does(
    sandbox: SandboxClient, refresh: Refresh, fields: dict[str, str], status: int, error: str
) -> None:
    sandbox.put_client("client-2", client_secrets=["secret-2"])
    grant = sandbox.grant(ADDRESS, CLIENT)
    answer = refresh(**({"refresh_token": grant.refresh_token} | fields))
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_kills_and_can_be_undone(sandbox: SandboxClient, refresh: Refresh, cause: str) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    assert sandbox.revoke_grants(ADDRESS, cause=cause) == 1
    answer, expected = refresh(grant.refresh_token), CATALOGUE[CAUSES[cause]].answer
    assert (answer.status_code, answer.content) == (expected.status, expected.body)
    assert sandbox.token_requests()[-1].live is False
    sandbox.restore_grants(ADDRESS)
    assert refresh(grant.refresh_token).status_code == 200


def test_killed_grant_takes_its_access_tokens_along_unless_told_otherwise(sandbox: SandboxClient) -> None:
    for address, keep, status in (("a@example.com", False, 401), ("b@example.com", True, 200)):
        sandbox.put_mailbox(address)
        grant = sandbox.grant(address, CLIENT)
        sandbox.revoke_grants(address, keep_access_tokens=keep)
        assert _profile(sandbox, grant.access_token).status_code == status


def test_lost_scope_refreshes_well_but_gmail_refuses(sandbox: SandboxClient, refresh: Refresh) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    sandbox.revoke_grants(ADDRESS, cause="scope_lost")
    answer = refresh(grant.refresh_token).json()
    assert answer["scope"] == "openid"
    refused = _profile(sandbox, answer["access_token"])
    assert refused.status_code == 403
    assert refused.json()["error"]["errors"][0]["reason"] == "insufficientPermissions"


def test_domain_is_killed_alone(sandbox: SandboxClient, refresh: Refresh) -> None:
    sandbox.put_mailbox("bob@example.org")
    ann, bob = sandbox.grant(ADDRESS, CLIENT), sandbox.grant("bob@example.org", CLIENT)
    assert sandbox.revoke_grants(domain="example.org", cause="admin_policy") == 1
    assert refresh(ann.refresh_token).status_code == 200
    assert refresh(bob.refresh_token).json()["error"] == "admin_policy_enforced"


@pytest.mark.parametrize("refusal", ["deleted_client", "disabled_client", "invalid_client", "unauthorized_client"])
def test_client_can_be_refused_and_taken_back(sandbox: SandboxClient, refresh: Refresh, refusal: str) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    sandbox.refuse_client(CLIENT, refusal)
    answer = refresh(grant.refresh_token)
    assert (answer.status_code, answer.json()["error"]) == (401, refusal)
    sandbox.refuse_client(CLIENT, None)
    assert refresh(grant.refresh_token).status_code == 200


def test_time_based_access_is_foretold_and_ends(sandbox: SandboxClient, refresh: Refresh) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT, expires_in_days=30)
    assert 29.9 * 86400 < refresh(grant.refresh_token).json()["refresh_token_expires_in"] <= 30 * 86400
    sandbox.advance(30 * 86400)
    assert refresh(grant.refresh_token).json()["error"] == "invalid_grant"


def test_idle_grant_dies_after_six_months_and_a_used_one_does_not(sandbox: SandboxClient, refresh: Refresh) -> None:
    used, idle = sandbox.grant(ADDRESS, CLIENT), sandbox.grant(ADDRESS, CLIENT)
    for _ in range(2):
        sandbox.advance(100 * 86400)
        assert refresh(used.refresh_token).status_code == 200
    assert refresh(idle.refresh_token).json()["error"] == "invalid_grant"


def test_101st_refresh_token_drops_the_oldest_silently(sandbox: SandboxClient, refresh: Refresh) -> None:
    grants = sandbox.grants([{"address": ADDRESS, "client_id": CLIENT}] * 101)
    assert refresh(grants[0].refresh_token).json()["error_description"] == "Token has been expired or revoked."
    assert refresh(grants[1].refresh_token).status_code == 200
    assert refresh(grants[100].refresh_token).status_code == 200


@pytest.mark.parametrize("kills_old", [False, True])
def test_rotation(sandbox: SandboxClient, refresh: Refresh, kills_old: bool) -> None:
    sandbox.set(rotate_refresh_tokens=True, rotation_kills_old=kills_old)
    old = sandbox.grant(ADDRESS, CLIENT).refresh_token
    new = refresh(old).json()["refresh_token"]
    assert new != old
    assert refresh(old).status_code == (400 if kills_old else 200)
    assert refresh(new).status_code == 200


@pytest.mark.parametrize("shown", ["refresh_token", "access_token"])
def test_revoking_one_token_ends_the_whole_grant(
    sandbox: SandboxClient, http: httpx.Client, refresh: Refresh, shown: str
) -> None:
    first, second = sandbox.grant(ADDRESS, CLIENT), sandbox.grant(ADDRESS, CLIENT)
    sandbox.put_client("other")
    other = sandbox.grant(ADDRESS, "other")
    assert http.post("/revoke", data={"token": getattr(first, shown)}).status_code == 200
    assert refresh(second.refresh_token).json()["error"] == "invalid_grant"
    assert _profile(sandbox, second.access_token).status_code == 401
    assert _profile(sandbox, other.access_token).status_code == 200
    again = http.post("/revoke", data={"token": getattr(first, shown)})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_rate_limit_is_a_page(sandbox: SandboxClient, refresh: Refresh) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    sandbox.set(token_rate_limit=1)
    # Of ten requests in a row, at most one per second of real time is answered.
    answers = [refresh(grant.refresh_token) for _ in range(10)]
    limited = [answer for answer in answers if answer.status_code == 403]
    assert len(limited) >= 7
    assert "User Rate Limit Exceeded" in limited[0].text
    assert limited[0].headers["content-type"].startswith("text/html")


def test_access_token_expires_on_the_sandboxs_clock(sandbox: SandboxClient) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    assert _profile(sandbox, grant.access_token).status_code == 200
    sandbox.advance(3600)
    assert _profile(sandbox, grant.access_token).status_code == 401
    assert _profile(sandbox, sandbox.grant(ADDRESS, CLIENT, access_expired=True).access_token).status_code == 401


def test_requests_are_logged_without_tokens(sandbox: SandboxClient, http: httpx.Client, refresh: Refresh) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    refresh(grant.refresh_token)
    sandbox.revoke_grants(ADDRESS)
    refresh(grant.refresh_token)
    sandbox.add_fault("token", close=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        refresh(grant.refresh_token)
    rows = sandbox.token_requests(ADDRESS)
    assert [(row.status, row.error, row.live) for row in rows] == [
        (200, None, True),
        (400, "invalid_grant", False),
        (None, "cut", False),
    ]
    assert [row.id for row in sandbox.token_requests(after=rows[0].id)] == [rows[1].id, rows[2].id]
    assert sandbox.token_requests("bob@example.com") == []
    assert sandbox.stats().token_outcomes == {"ok": 1, "invalid_grant": 1, "cut": 1}


def test_no_secret_leaves_by_another_door(
    sandbox: SandboxClient, http: httpx.Client, refresh: Refresh, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    grant = sandbox.grant(ADDRESS, CLIENT)
    access_token = refresh(grant.refresh_token).json()["access_token"]
    doors = ["clients", "mailboxes", "stats", "mails", "token-requests", "faults", "settings"]
    said = "".join(http.get(f"/sandbox/v1/{door}").text for door in doors)
    said += "".join(record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "gmail")))
    for secret in (grant.refresh_token, grant.access_token, access_token, SECRET):
        assert secret not in said


def test_google_auth_reports_the_error(sandbox: SandboxClient) -> None:
    grant = sandbox.grant(ADDRESS, CLIENT)
    sandbox.revoke_grants(ADDRESS)
    with pytest.raises(google.auth.exceptions.RefreshError) as caught:
        _credentials(sandbox, grant.refresh_token).refresh(Request())
    assert caught.value.args[1] == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }


def _profile(sandbox: SandboxClient, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{sandbox.base_url}/gmail/v1/users/me/profile", headers=headers, trust_env=False, timeout=60)

"""Domain-wide delegation at the token endpoint: google-auth's own requests, and every way in which Google refuses."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import google.auth.exceptions
import httpx
import pytest
from google.auth import crypt, jwt
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from gmail_sandbox.client import SandboxClient, SandboxError
from sandbox.kit import CLIENT, Gmail

ANN, BOB = "ann@example.com", "bob@example.org"
ROBOT, ROBOT_ID = "robot@project-1.example", "100000000000000000042"
SCOPE, READONLY = "https://www.googleapis.com/auth/gmail.modify", "https://www.googleapis.com/auth/gmail.readonly"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Robot:
    """A service account to which example.com is delegated, and its requests."""

    sandbox: SandboxClient
    http: httpx.Client
    keyfile: dict[str, str] = field(repr=False)

    def credentials(self, subject: str = ANN, scope: str = SCOPE) -> Credentials:
        return Credentials.from_service_account_info(self.keyfile, scopes=[scope], subject=subject)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": ROBOT,
            "sub": ANN,
            "scope": SCOPE,
            "aud": self.sandbox.token_uri,
            "iat": now,
            "exp": now + 3600,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def ask(self, **changes: Any) -> httpx.Response:
        signer = crypt.RSASigner.from_service_account_info(self.keyfile)
        return self.send(jwt.encode(signer, self.claims(**changes)).decode())

    def send(self, assertion: str) -> httpx.Response:
        return self.http.post("/token", data={"grant_type": JWT_BEARER, "assertion": assertion})


@pytest.fixture
def robot(sandbox: SandboxClient, http: httpx.Client) -> Robot:
    sandbox.put_mailboxes([ANN, BOB])
    made = sandbox.put_service_account(ROBOT, client_id=ROBOT_ID)
    sandbox.delegate(ROBOT, "example.com")
    assert made.keyfile
    return Robot(sandbox, http, made.keyfile)


def test_google_auth_acts_for_a_mailbox(robot: Robot) -> None:
    credentials = robot.credentials()
    credentials.refresh(Request())
    profile = Gmail(robot.sandbox.base_url, credentials.token).users.getProfile(userId="me").execute()
    assert profile["emailAddress"] == ANN


def test_answer_has_googles_shape(robot: Robot) -> None:
    answer = robot.ask()
    body = answer.json()
    assert (answer.status_code, answer.headers["pragma"]) == (200, "no-cache")
    assert body.pop("access_token").startswith("ya29.")
    assert body == {"expires_in": 3599, "scope": SCOPE, "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("changes", "status", "error", "words"),
    [
        ({"iss": "stranger@project-1.example"}, 400, "invalid_grant", "Invalid grant: account not found"),
        ({"iss": None}, 400, "invalid_grant", "Invalid grant: account not found"),
        ({"aud": "https://example.com/token"}, 400, "invalid_grant", "Failed audience check"),
        ({"exp": int(time.time()) + 90_000}, 400, "invalid_grant", "short-lived token"),
        ({"iat": int(time.time()) - 9_000, "exp": int(time.time()) - 5_400}, 400, "invalid_grant", "short-lived token"),
        (
            {"iat": int(time.time()) + 36_000, "exp": int(time.time()) + 39_600},
            400,
            "invalid_grant",
            "short-lived token",
        ),
        ({"exp": None}, 400, "invalid_grant", "short-lived token"),
        ({"scope": ""}, 400, "invalid_scope", "Invalid OAuth scope"),
        ({"sub": "nobody@example.com"}, 400, "invalid_grant", "Invalid email or User ID"),
        ({"sub": None}, 400, "invalid_grant", "Invalid email or User ID"),
        ({"sub": BOB}, 401, "unauthorized_client", "Client is unauthorized to retrieve access tokens"),
        ({"scope": READONLY}, 401, "unauthorized_client", "not authorized for any of the scopes requested"),
        ({"scope": f"{SCOPE} {READONLY}"}, 401, "unauthorized_client", "Client is unauthorized"),
    ],
)
def test_requests_are_refused_as_google_does(
    robot: Robot, changes: dict[str, Any], status: int, error: str, words: str
) -> None:
    answer = robot.ask(**changes)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error)
    assert words in body["error_description"]


def test_only_the_accounts_own_key_signs(robot: Robot) -> None:
    assert robot.ask().status_code == 200
    robot.sandbox.put_service_account(ROBOT, client_id=ROBOT_ID)
    refused = robot.ask()
    assert (refused.status_code, refused.json()["error_description"]) == (400, "Invalid JWT Signature.")


def test_a_changed_request_is_no_signed_one(robot: Robot) -> None:
    signer = crypt.RSASigner.from_service_account_info(robot.keyfile)
    ann = jwt.encode(signer, robot.claims()).decode().split(".")
    other = jwt.encode(signer, robot.claims(sub="nobody@example.com")).decode().split(".")
    forged = robot.send(".".join((ann[0], other[1], ann[2])))
    assert forged.json()["error_description"] == "Invalid JWT Signature."
    unsigned = jwt.encode(signer, robot.claims(), header={"alg": "none"}).decode()
    assert robot.send(unsigned).json()["error_description"] == "Invalid JWT Signature."


@pytest.mark.parametrize(("assertion", "error"), [("", "invalid_request"), ("x.y", "invalid_grant")])
def test_what_is_no_jwt_is_refused(robot: Robot, assertion: str, error: str) -> None:
    answer = robot.send(assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_key_of_ones_own_can_be_registered(robot: Robot) -> None:
    known = robot.sandbox.put_service_account("second@project-1.example")
    copied = robot.sandbox.put_service_account(ROBOT, client_id=ROBOT_ID, public_key=known.public_key)
    assert copied.keyfile is None
    robot.keyfile = robot.keyfile | {"private_key": known.keyfile["private_key"]}  # type: ignore[index]
    assert robot.ask().status_code == 200
    with pytest.raises(SandboxError, match="public key in PEM"):
        robot.sandbox.put_service_account(ROBOT, public_key="no key")


def test_the_sandboxs_clock_decides(robot: Robot) -> None:
    robot.sandbox.advance(7200)
    assert "short-lived token" in robot.ask().json()["error_description"]


def test_a_disabled_account_is_unknown_and_can_be_taken_back(robot: Robot) -> None:
    robot.sandbox.disable_service_account(ROBOT)
    assert robot.ask().json()["error_description"] == "Invalid grant: account not found"
    robot.sandbox.disable_service_account(ROBOT, False)
    assert robot.ask().status_code == 200


def test_a_revoked_delegation_takes_its_access_tokens_along_and_no_others(robot: Robot) -> None:
    robot.sandbox.delegate(ROBOT, "example.org")
    tokens = {who: robot.ask(sub=who).json()["access_token"] for who in (ANN, BOB)}
    own = robot.sandbox.grant(ANN, CLIENT).access_token
    robot.sandbox.revoke_delegation(ROBOT, "example.com")
    assert robot.ask().json()["error"] == "unauthorized_client"
    assert [_profile(robot, token) for token in (tokens[ANN], tokens[BOB], own)] == [401, 200, 200]
    robot.sandbox.delegate(ROBOT, "example.com")
    assert _profile(robot, robot.ask().json()["access_token"]) == 200


def test_requests_are_counted_for_the_mailbox_and_faults_find_them(robot: Robot) -> None:
    robot.sandbox.add_fault("token", name="token.html_503", address=ANN, times=1)
    robot.sandbox.add_fault("token", name="token.too_many_429", client_id=ROBOT_ID, times=1)
    assert [robot.ask().status_code for _ in range(3)] == [503, 429, 200]
    robot.ask(sub="nobody@example.com")
    rows = robot.sandbox.token_requests()
    assert {(row.grant_type, row.client_id) for row in rows} == {(JWT_BEARER, ROBOT_ID)}
    assert [(row.address, row.status, row.error) for row in rows[-2:]] == [
        (ANN, 200, None),
        ("nobody@example.com", 400, "invalid_grant"),
    ]
    assert robot.sandbox.stats().mailboxes[ANN].token_requests == 3


def test_google_auth_reports_the_error(robot: Robot) -> None:
    with pytest.raises(google.auth.exceptions.RefreshError) as caught:
        robot.credentials(BOB).refresh(Request())
    assert caught.value.args[1]["error"] == "unauthorized_client"


def test_a_private_key_is_shown_once(robot: Robot) -> None:
    token = robot.ask().json()["access_token"]
    doors = ["service-accounts", "stats", "token-requests"]
    said = "".join(robot.http.get(f"/sandbox/v1/{door}").text for door in doors)
    assert ROBOT in said
    assert "PRIVATE KEY" not in said
    assert token not in said


def _profile(robot: Robot, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return robot.http.get("/gmail/v1/users/me/profile", headers=headers).status_code

"""Faults: the catalogue, whom they strike, and broken connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gmail_sandbox.client import SandboxClient, SandboxError
from gmail_sandbox.cloud.directory import USER_SCOPES
from gmail_sandbox.cloud.managed_key import managed_key_pair
from gmail_sandbox.cloud.signing import MACHINE_TOKEN
from gmail_sandbox.control.models import GMAIL_MODIFY
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_sandbox.server import running
from sandbox.kit import CLIENT, REDIRECT, SECRET
from support.interleaving import holding

ROBOT = "robot@project-1.example"
Refresh = Callable[..., httpx.Response]
BROKEN = {name for name, row in CATALOGUE.items() if row.close or row.content_length or row.cut_after_bytes}


@pytest.fixture
def tokens(sandbox: SandboxClient) -> dict[str, tuple[str, str]]:
    """Return the refresh and the access token of two mailboxes."""
    addresses = ["ann@example.com", "bob@example.org"]
    sandbox.put_mailboxes(addresses)
    sandbox.put_service_account(ROBOT, public_key=managed_key_pair()[1])
    sandbox.let_machine_sign(ROBOT)
    sandbox.put_directory([{"address": addresses[0], "is_admin": True}])
    grants = sandbox.grants(
        [{"address": address, "client_id": CLIENT, "scopes": [GMAIL_MODIFY, *USER_SCOPES]} for address in addresses]
    )
    return {grant.address: (grant.refresh_token, grant.access_token) for grant in grants}


def _ask(http: httpx.Client, edge: str, tokens: tuple[str, str]) -> httpx.Response:
    if edge == "token":
        form = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": SECRET}
        return http.post("/token", data=form | {"refresh_token": tokens[0]})
    if edge == "iam":
        headers = {"authorization": f"Bearer {MACHINE_TOKEN}"}
        return http.post(f"/v1/projects/-/serviceAccounts/{ROBOT}:signJwt", json={"payload": "{}"}, headers=headers)
    if edge == "directory":
        headers = {"authorization": f"Bearer {tokens[1]}"}
        return http.get("/admin/directory/v1/users", params={"customer": "my_customer"}, headers=headers)
    return http.get("/gmail/v1/users/me/profile", headers={"authorization": f"Bearer {tokens[1]}"})


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - BROKEN))
def test_every_row_strikes_once(
    sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]], name: str
) -> None:
    row, mine = CATALOGUE[name], tokens["ann@example.com"]
    sandbox.add_fault(name=name, times=1)
    answer = _ask(http, row.edge, mine)
    assert (answer.status_code, answer.content) == (row.answer.status, row.answer.body)
    assert answer.headers.get("content-type") == row.answer.content_type
    for header, value in row.answer.headers:
        assert answer.headers[header] == value
    after = _ask(http, row.edge, mine)
    assert after.status_code == 200
    assert after.json()
    assert [fault.hits for fault in sandbox.faults()] == [1]


def test_catalogue_is_listed(sandbox: SandboxClient) -> None:
    assert {row.name for row in sandbox.catalogue()} == set(CATALOGUE)


@pytest.mark.parametrize(
    ("fault", "ann", "bob"),
    [
        ({"where": "token"}, 503, 503),
        ({"where": "gmail"}, 200, 200),
        ({"where": "token", "address": "ann@example.com"}, 503, 200),
        ({"where": "token", "domain": "example.org"}, 200, 503),
        ({"where": "token", "client_id": CLIENT}, 503, 503),
        ({"where": "token", "client_id": "other"}, 200, 200),
        ({"where": "token", "times": 1}, 503, 200),
        ({"where": "token", "chance": 0}, 200, 200),
    ],
)
def test_fault_strikes_whom_it_names(
    sandbox: SandboxClient,
    http: httpx.Client,
    tokens: dict[str, tuple[str, str]],
    fault: dict[str, object],
    ann: int,
    bob: int,
) -> None:
    sandbox.add_fault(**fault, answer={"status": 503, "body": {"error": "x"}, "headers": {"retry-after": "9"}})
    statuses = [_ask(http, "token", tokens[address]).status_code for address in ("ann@example.com", "bob@example.org")]
    assert statuses == [ann, bob]
    sandbox.clear_faults()
    assert _ask(http, "token", tokens["ann@example.com"]).status_code == 200


def test_method_id_strikes_that_method_only(
    sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]]
) -> None:
    fault = sandbox.add_fault("gmail.users.messages.list", name="gmail.backend_500")
    headers = {"authorization": f"Bearer {tokens['ann@example.com'][1]}"}
    assert http.get("/gmail/v1/users/me/messages", headers=headers).status_code == 500
    assert http.get("/gmail/v1/users/me/labels", headers=headers).status_code == 200
    sandbox.clear_faults(fault.id)
    assert http.get("/gmail/v1/users/me/messages", headers=headers).status_code == 200


@pytest.mark.parametrize(("when", "status"), [("before", 200), ("after", 400)])
def test_work_is_done_before_a_lost_answer_only(
    sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]], when: str, status: int
) -> None:
    sandbox.add_fault("revoke", when=when, answer={"status": 502}, times=1)
    refresh_token = tokens["ann@example.com"][0]
    assert http.post("/revoke", data={"token": refresh_token}).status_code == 502
    assert http.post("/revoke", data={"token": refresh_token}).status_code == status


def test_consent_can_fail(sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]]) -> None:
    sandbox.add_fault("consent", answer={"status": 500, "body": "<p>Oops</p>"}, times=1)
    url = f"/o/oauth2/v2/auth?client_id={CLIENT}&redirect_uri={REDIRECT}&response_type=code&scope=openid"
    assert [http.get(url).status_code for _ in range(2)] == [500, 200]


def test_delay_alone_changes_nothing_else(
    sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]]
) -> None:
    sandbox.add_fault("token", delay_ms=150, times=1)
    started = time.monotonic()
    assert _ask(http, "token", tokens["ann@example.com"]).status_code == 200
    assert time.monotonic() - started >= 0.15


def test_a_request_is_held_until_the_fault_is_removed(
    sandbox: SandboxClient, tokens: dict[str, tuple[str, str]]
) -> None:
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=sandbox.base_url, timeout=60) as http:
        with holding(sandbox, "token", times=1) as until_held:
            running = pool.submit(_ask, http, "token", tokens["ann@example.com"])
            until_held()
            assert _ask(http, "token", tokens["bob@example.org"]).status_code == 200
            assert not running.done()
        assert running.result().status_code == 200


@pytest.mark.parametrize(
    "latency", [{"latency_ms": {"token": 120}}, {"latency_ms": {"token": 120, "gmail": 0}}], ids=["token", "both"]
)
def test_latency_is_per_edge(
    sandbox: SandboxClient, http: httpx.Client, tokens: dict[str, tuple[str, str]], latency: dict[str, object]
) -> None:
    sandbox.set(**latency)
    started = time.monotonic()
    _ask(http, "token", tokens["ann@example.com"])
    assert time.monotonic() - started >= 0.12


@pytest.fixture(scope="module", params=["h11", "httptools"])
def broken(request: pytest.FixtureRequest) -> Iterator[SandboxClient]:
    """Run a sandbox on each of uvicorn's HTTP implementations."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    with running(protocol=request.param) as sandbox:
        yield sandbox


class TestConnections:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"close": True}, (httpx.RemoteProtocolError, httpx.ReadError)),
            ({"cut_after_bytes": 5}, httpx.RemoteProtocolError),
            ({"content_length": 10_000}, httpx.RemoteProtocolError),
            ({"hang_seconds": 30}, httpx.ReadTimeout),
            ({"hang_seconds": 0.05, "close": True}, (httpx.RemoteProtocolError, httpx.ReadError)),
            ({"name": "token.200_truncated"}, httpx.RemoteProtocolError),
        ],
        ids=str,
    )
    def test_client_sees_a_transport_error(
        self, broken: SandboxClient, fault: dict[str, object], error: type[Exception] | tuple[type[Exception], ...]
    ) -> None:
        broken.reset()
        broken.put_client(CLIENT, client_secrets=[SECRET])
        broken.put_mailbox("ann@example.com")
        grant = broken.grant("ann@example.com", CLIENT)
        tokens = (grant.refresh_token, grant.access_token)
        for edge in ("token",) if "name" in fault else ("token", "gmail"):
            broken.add_fault(edge, times=1, **fault)
            with httpx.Client(base_url=broken.base_url, timeout=60, trust_env=False) as http:
                if error is httpx.ReadTimeout:
                    http.timeout = httpx.Timeout(60, read=0.4)
                with pytest.raises(error):
                    _ask(http, edge, tokens)
                http.timeout = httpx.Timeout(60)
                assert _ask(http, edge, tokens).status_code == 200

    def test_short_content_length_truncates(self, broken: SandboxClient) -> None:
        broken.reset()
        broken.add_fault("token", answer={"body": "0123456789"}, content_length=4)
        assert httpx.post(broken.token_uri, trust_env=False, timeout=60).text == "0123"


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"where": "token"},
        {"where": "moon", "close": True},
        {"where": "token", "name": "token.unknown"},
        {"where": "token", "name": "token.revoked", "answer": {"status": 500}},
        {"where": "token", "name": "token.revoked", "colour": "red"},
    ],
    ids=str,
)
def test_senseless_faults_are_refused(sandbox: SandboxClient, fault: dict[str, object]) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.add_fault(**fault)
    assert caught.value.status == 422
    assert sandbox.faults() == []

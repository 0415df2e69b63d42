"""Requests that carry a token, a secret or a mail stop at a redirect: its target never receives them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.oauth2.service_account import Credentials

from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail import errors
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.transport import Transport
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenEndpoint


@dataclass
class Site:
    """A web server that redirects every request to another path of itself, and records what it receives."""

    port: int
    status: int
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> OAuthClient:
        """An OAuth client whose endpoints are on this site."""
        token_uri = f"{self.root}/token"
        return OAuthClient(client_id="client-1.example.com", secrets=("GOCSPX-made-up",), token_uri=token_uri)


@pytest.fixture(params=[301, 302, 303, 307, 308])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append((self.command, self.path))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200 if self.path == "/elsewhere" else found.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"access_token": "ya29.made-up", "id": "1"}')

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(port=server.server_port, status=request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


class Client(GmailClient):
    """A Gmail client with a made-up access token."""

    address, token_header = "ada@pool.example", "X-Token"

    def __init__(self, site: Site) -> None:
        self._site = site

    def _load_credentials(self) -> Any:
        from google.oauth2.credentials import Credentials

        return Credentials(token="ya29.made-up")

    def _create_transport(self) -> Transport:
        return Transport(connect_timeout=60, read_timeout=60, endpoint=self._site.root)


@pytest.mark.parametrize(
    "call",
    [lambda gmail: gmail.get_message("1"), lambda gmail: gmail.send_draft("r1")],
    ids=["read", "send"],
)
def test_no_access_token_follows_a_redirect(site: Site, call: Callable[[GmailClient], object]):
    with pytest.raises(errors.GmailError):
        call(Client(site))
    assert len(site.requests) == 1, site.requests


def test_no_refresh_token_follows_a_redirect(site: Site):
    result = TokenEndpoint(site.client).refresh_access_token("1//made-up")
    assert not result.access_token
    assert site.requests == [("POST", "/token")]


def test_no_authorization_code_follows_a_redirect(site: Site):
    result = TokenEndpoint(site.client).exchange_code(code="4/made-up", verifier="v" * 43, redirect_uri="http://x")
    assert not result.access_token
    assert site.requests == [("POST", "/token")]


def test_no_refresh_token_of_an_audit_follows_a_redirect(site: Site):
    async def probe() -> str:
        async with TokenProber(site.client, Settings()) as prober:
            result = await prober.request_token("1//made-up")
            return result.access_token

    assert asyncio.run(probe()) == ""
    assert site.requests == [("POST", "/token")]


def test_no_signed_request_of_a_service_account_follows_a_redirect(site: Site, keyfile: dict[str, str]):
    info = keyfile | {"token_uri": f"{site.root}/token"}
    with ServiceAccount("google", lambda _: Credentials.from_service_account_info(info)) as account:
        assert not account.request_token("ada@work.example").access_token
    assert site.requests == [("POST", "/token")]


@pytest.fixture(scope="module")
def keyfile(sandbox_server: Any) -> dict[str, str]:
    made: ServiceAccountMade = sandbox_server.put_service_account("robot@project-1.example")
    assert made.keyfile
    return made.keyfile

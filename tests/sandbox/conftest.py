"""One sandbox for the whole folder, emptied before every test, and Google's own clients against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.server import running
from sandbox.kit import CLIENT, REDIRECT, SECRET, Gmail


@pytest.fixture(scope="session")
def started() -> Iterator[SandboxClient]:
    with running() as client:
        yield client


@pytest.fixture
def sandbox(started: SandboxClient) -> SandboxClient:
    """An empty sandbox with one OAuth client."""
    started.reset()
    started.put_client(CLIENT, client_secrets=[SECRET], redirect_uris=[REDIRECT])
    return started


@pytest.fixture(scope="session")
def http(started: SandboxClient) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=started.base_url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def gmail(sandbox: SandboxClient) -> Callable[..., Gmail]:
    """Return a mailbox's service; the mailbox is made when missing."""

    def service(address: str, **grant: Any) -> Gmail:
        sandbox.put_mailbox(address)
        return Gmail(sandbox.base_url, sandbox.grant(address, CLIENT, **grant).access_token)

    return service


@pytest.fixture
def refresh(sandbox: SandboxClient, http: httpx.Client) -> Callable[..., httpx.Response]:
    """Send one refresh request."""

    def send(refresh_token: str, **fields: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": SECRET}
        return http.post("/token", data=form | {"refresh_token": refresh_token} | fields)

    return send

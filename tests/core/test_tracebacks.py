"""What shows the local variables of a traceback shows no token, code or secret, even of a defect nobody foresaw."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from rich.console import Console
from rich.traceback import Traceback

from gmail_warmup.oauth.consent.flow import BrowserSession, ConsentFlow
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from gmail_warmup.web import errors
from support.secret_hunt import Hunt
from support.workers import hook
from support.world import CLIENT_SECRET, World
from web.kit import at_google

ADA = "ada@pool.example"
CALLBACK = "http://localhost:8080/gmail-warmup/oauth/callback"


def shown(error: BaseException) -> bytes:
    """Return a traceback as the most talkative tool prints it: every local variable, and nothing cut.

    Its first frame is left out: the test's own, which still runs and knows everything.
    """
    assert error.__traceback__
    below = error.__traceback__.tb_next
    screen = io.StringIO()
    trace = Traceback.from_exception(
        type(error), error, below, show_locals=True, locals_max_string=100_000, locals_max_length=10_000
    )
    Console(file=screen, width=10_000).print(trace)
    return screen.getvalue().encode()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what puts a defect deep below every request."""

    def send(self: httpx.Client, request: httpx.Request, **_: object) -> httpx.Response:
        content, headers = request.read(), dict(request.headers)  # held by this frame, as a transport holds them
        raise RuntimeError(f"a defect behind {len(content) + len(headers)}")

    return lambda: monkeypatch.setattr(httpx.Client, "send", send)


@pytest.mark.parametrize("expired", [True, False], ids=["in the refresh", "in the call of Gmail"])
def test_a_defect_below_the_hook(world: World, broken: Callable[[], None], expired: bool):
    world.add(ADA, expired=expired)
    stored = world.grant(ADA)
    assert stored.refresh_token
    assert stored.access_token
    cipher = world.store.cipher
    secrets = {"refresh": cipher.decrypt(stored.secret_owner, stored.refresh_token), "client": CLIENT_SECRET}
    secrets["access"] = cipher.decrypt(stored.secret_owner, stored.access_token)
    broken()
    with pytest.raises(RuntimeError) as caught:
        hook(world, ADA).get_profile()
    text = shown(caught.value)
    assert b"a defect behind" in text
    assert b"locals" in text
    hunt = Hunt(secrets)
    hunt.look("traceback", "hook", text)
    assert hunt.found == []


def test_a_defect_in_a_callback(world: World, broken: Callable[[], None], caplog: pytest.LogCaptureFixture):
    world.add(ADA)
    world.sandbox.put_client(world.client.client_id, client_secrets=[CLIENT_SECRET], redirect_uris=[CALLBACK])
    visitor = BrowserSession(user="op", browser="b" * 43)
    flow = ConsentFlow(world.store, TokenEndpoint(world.client), redirect_uri=CALLBACK)
    back = parse_qs(urlsplit(at_google(flow.start_reauthentication(ADA, visitor), ADA)).query)
    broken()

    def handler() -> None:
        flow.finish(state=back["state"][0], code=back["code"][0], error="", visitor=visitor)

    try:
        handler()
    except RuntimeError as error:
        with caplog.at_level(logging.ERROR):
            errors.internal_error(error)
    assert caplog.records[0].exc_info
    logged = caplog.records[0].exc_info[1]
    assert logged
    inner = Hunt({"code": back["code"][0], "state": back["state"][0], "client": CLIENT_SECRET})
    inner.look("traceback", "callback", shown(logged))
    assert inner.found == []

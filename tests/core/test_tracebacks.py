"""What shows the local variables of a traceback shows no token, code or secret, even of a defect nobody foresaw."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from rich.console import Console
from rich.traceback import Traceback

from gmail_warmup.core.tracebacks import clear_locals
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from gmail_warmup.web import problems
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
    flow = ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri=CALLBACK)
    back = parse_qs(urlsplit(at_google(flow.start_reauthentication(ADA, visitor), ADA)).query)
    broken()

    def handler() -> None:
        flow.finish(state=back["state"][0], code=back["code"][0], error="", session=visitor)

    try:
        handler()
    except RuntimeError as error:
        with caplog.at_level(logging.ERROR):
            problems.internal_error(error)
    (logged,) = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert logged
    inner = Hunt({"code": back["code"][0], "state": back["state"][0], "client": CLIENT_SECRET})
    inner.look("traceback", "callback", shown(logged))
    assert inner.found == []


def fail_with_a_token() -> None:
    """Raise an error from a frame that has a token as a local variable."""
    token = f"ya29.{'x' * 9}"  # put together, because a traceback also shows the source line
    raise RuntimeError(f"a defect after {len(token)} characters")


def test_a_waiting_coroutine_survives_and_ordinary_functions_are_cleared():
    """An error caught in a task is cleared elsewhere while that task waits; clearing its frame would end the task."""

    async def work(caught: asyncio.Future[RuntimeError], resume: asyncio.Event) -> str:
        answer = "done"
        try:
            fail_with_a_token()
        except RuntimeError as error:
            caught.set_result(error)
        await resume.wait()
        return answer

    async def run() -> tuple[bytes, str]:
        caught, resume = asyncio.get_running_loop().create_future(), asyncio.Event()
        task = asyncio.create_task(work(caught, resume))
        error = await caught
        before = shown(error)
        clear_locals(error)
        after = shown(error)
        resume.set()
        assert b"ya29.xxxxxxxxx" in before
        return after, await asyncio.wait_for(task, 60)

    traceback, answer = asyncio.run(run())
    assert b"ya29.xxxxxxxxx" not in traceback
    assert answer == "done"

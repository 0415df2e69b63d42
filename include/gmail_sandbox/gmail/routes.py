"""Gmail's HTTP routes: authenticate and authorize a call, apply quota and concurrency limits, run its handler."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gmail_sandbox.delivery import deliver_due
from gmail_sandbox.dispatch import Caller, respond
from gmail_sandbox.gmail import errors
from gmail_sandbox.gmail.call import Call
from gmail_sandbox.gmail.errors import GmailError, error_body
from gmail_sandbox.gmail.methods import METHODS, Method
from gmail_sandbox.http_faults import header, read_body, write
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.oauth.grants import AccessToken
from gmail_sandbox.quota import UNITS
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World

PREFIX = "/gmail/v1/users/{userId}/"


def bearer(world: World, scope: Scope) -> tuple[str, AccessToken | None]:
    """Return the bearer token of a request and its record, which may be expired."""
    kind, _, text = header(scope, b"authorization").partition(" ")
    text = text.strip() if kind.lower() == "bearer" else ""
    return text, world.grants.access_tokens.get(text)


class Endpoint:
    """ASGI application for one Gmail method."""

    def __init__(self, world: World, method: Method) -> None:
        self._world = world
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call and count it while it is in flight."""
        world, method = self._world, self._method
        shown, token = bearer(world, scope)
        address = token.address if token is not None else None
        caller = Caller("gmail", method.id, address, token.client_id if token is not None else None)
        stats = None if address is None else world.stats.of(address)
        if stats is None:
            world.stats.unauthenticated_calls += 1
        else:
            stats.calls[method.name] += 1
            stats.in_flight += 1
            stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
        try:
            # Yield to the event loop once, so that simultaneous calls are counted as concurrent.
            await asyncio.sleep(0)
            body = await read_body(receive)
            outcome = await respond(
                world,
                caller,
                lambda: self._work(scope, shown, token, body),
                world.settings.latency_ms.gmail,
                (scope, receive, send),
            )
        finally:
            if stats is not None:
                stats.in_flight -= 1
        if stats is not None:
            stats.answers["cut" if outcome.status is None else str(outcome.status)] += 1

    def _work(self, scope: Scope, shown: str, token: AccessToken | None, body: bytes) -> Answer:
        try:
            box, token = self._checked(scope, shown, token)
            call = Call(
                world=self._world,
                box=box,
                path=scope["path_params"],
                query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
                body=_json(body),
                scopes=token.scopes,
            )
            result = perform(self._world, self._method, call)
        except GmailError as error:
            return error.answer
        return Answer(204) if result is None else Answer.of_json(200, result)

    def _checked(self, scope: Scope, shown: str, token: AccessToken | None) -> tuple[Mailbox, AccessToken]:
        """Check a call in Google's order: token, scope, then the checks of ``admit``."""
        world, now = self._world, self._world.clock.now()
        if not shown:
            raise GmailError(errors.LOGIN_REQUIRED)
        box = world.mailboxes.get(token.address) if token is not None else None
        if token is None or box is None or not token.valid(now):
            raise GmailError(errors.INVALID_CREDENTIALS)
        if not token.scopes & self._method.scopes:
            raise GmailError(errors.INSUFFICIENT_SCOPE)
        admit(world, self._method, box, scope["path_params"]["userId"])
        return box, token


def admit(world: World, method: Method, box: Mailbox, user_id: str) -> None:
    """Check an authorized call in Google's order (mailbox, concurrency, quota) and count its units."""
    if user_id != "me" and user_id.lower() != box.address:
        raise GmailError(error_body(403, f"Delegation denied for {box.address}", "delegationDenied"))
    limit, stats = world.settings.max_concurrent_per_mailbox, world.stats.of(box.address)
    if limit is not None and stats.in_flight > limit:
        raise GmailError(errors.TOO_MANY_CONCURRENT)
    units = UNITS[method.name]
    world.quota.spend(box.address, units, world.clock.now(), world.settings)
    stats.units += units


def perform(world: World, method: Method, call: Call) -> dict[str, Any] | None:
    """Deliver mail that is due, log the call and run its handler."""
    deliver_due(world)
    world.stats.note_call(call.box.address, method.name, call.path.get("id"), world.clock.now())
    return method.handler(call)


def _json(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise errors.bad_request("Invalid JSON payload received.", "parseError") from None
    if not isinstance(value, dict):
        raise errors.invalid_argument("Invalid JSON payload received. Root element must be a message.")
    return value


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """Return 501 for a Gmail path that the sandbox does not implement."""
    body = error_body(501, f"The sandbox has no {scope['method']} {scope['path']}", "notImplemented")
    await write(send, Answer.of_json(501, body))


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of Gmail v1."""
    return [Route(PREFIX + method.path, endpoint=Endpoint(world, method), methods=[method.verb]) for method in METHODS]

"""Call the sandbox's Gmail API in process through googleapiclient's interface, for large simulations.

The handlers are those of the HTTP server; sockets, tokens, latency and faults are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httplib2
from googleapiclient.errors import HttpError

from gmail_sandbox.control.models import GMAIL_MODIFY
from gmail_sandbox.gmail.call import Call
from gmail_sandbox.gmail.errors import GmailError
from gmail_sandbox.gmail.methods import METHODS, Method
from gmail_sandbox.gmail.routes import admit, perform
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World

_METHODS = {method.name: method for method in METHODS}
_SCOPES = frozenset({GMAIL_MODIFY})


class Users:
    """Replacement for ``build("gmail", "v1").users()``, limited to the methods of the sandbox."""

    def __init__(self, world: World, address: str) -> None:
        self._world, self._address = world, address

    def getProfile(self, **arguments: Any) -> Request:
        """Build a request for the mailbox's profile."""
        return Request(self._world, self._address, _METHODS["getProfile"], arguments)

    def __getattr__(self, collection: str) -> Callable[[], Collection]:
        """Return a collection, such as ``messages``."""
        return lambda: Collection(self._world, self._address, collection)


class Collection:
    """One collection of methods, such as ``users().messages()``."""

    def __init__(self, world: World, address: str, name: str) -> None:
        self._world, self._address, self._name = world, address, name

    def __getattr__(self, method: str) -> Callable[..., Request]:
        """Return a factory of requests for a method, such as ``get``."""
        found = _METHODS.get(f"{self._name}.{method}")
        if found is None:
            raise AttributeError(f"the sandbox has no {self._name}.{method}")
        return lambda **arguments: Request(self._world, self._address, found, arguments)


class Request:
    """A prepared request; ``execute`` performs it."""

    def __init__(self, world: World, address: str, method: Method, arguments: Mapping[str, Any]) -> None:
        self._world, self._address, self._method, self._arguments = world, address, method, arguments

    def execute(self, http: object = None, num_retries: int = 0) -> Any:
        """Execute the request and return the decoded response.

        Raises:
            HttpError: Gmail refused the request, as with googleapiclient.
        """
        world, method, stats = self._world, self._method, self._world.stats.of(self._address)
        stats.calls[method.name] += 1
        try:
            box = world.mailboxes[self._address]
            admit(world, method, box, self._arguments["userId"])
            result = perform(world, method, self._call(box))
        except GmailError as error:
            stats.answers[str(error.answer.status)] += 1
            raise _http_error(error.answer) from None
        stats.answers["204" if result is None else "200"] += 1
        return "" if result is None else result

    def _call(self, box: Any) -> Call:
        path: dict[str, str] = {}
        query: dict[str, list[str]] = {}
        for name, value in self._arguments.items():
            if f"{{{name}}}" in self._method.path:
                path[name] = str(value)
            elif name not in ("userId", "body") and value is not None:
                query[name] = [_text(item) for item in value] if isinstance(value, list | tuple) else [_text(value)]
        return Call(self._world, box, path, query, self._arguments.get("body") or {}, _SCOPES)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _http_error(answer: Answer) -> HttpError:
    return HttpError(httplib2.Response({"status": str(answer.status), **dict(answer.headers)}), answer.body)

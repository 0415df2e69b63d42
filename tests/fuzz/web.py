"""The application of the page in this process, on a real PostgreSQL, and requests of every kind to it.

Rights are not what is tried here (see tests/web/test_permissions.py), so everybody is somebody who may change
everything: what is behind the rights gets the inputs.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import quote_from_bytes, urlencode

import httpx
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute

from fuzz.feeding import SECONDS, Fed
from fuzz.mutator import Mutator
from gmail_warmup.core.enums import Permission
from gmail_warmup.db.models import Base
from support.workers import services
from support.world import CLIENT_ID, CLIENT_SECRET, World

ORIGIN = "http://localhost:8080"
ADA, PIA = "ada@warm.example", "pia@pool.example"
WAIT = 30 * SECONDS
"""What one request may take, everything that waits for the machine included."""

_BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/mailboxes": {"address": ADA, "settings": {"kind": "warmup", "daily_target": 7, "timezone": "UTC"}},
    "/api/v1/mailboxes/change": {"addresses": [ADA], "changes": {"daily_target": 7, "display_name": "A"}},
    "/api/v1/mailboxes/pause": {"addresses": [ADA], "reason": "a look"},
    "/api/v1/mailboxes/resume": {"filter": {"q": "ada"}, "expected": 1},
    "/api/v1/mailboxes/requalify": {"addresses": [ADA]},
    "/api/v1/schedules/mailboxes": {"addresses": [ADA], "values": {"ramp_cap": 7, "holidays": "DE"}},
    "/api/v1/schedules/tags": {"tag": "sales", "values": {"ramp_cap": 7, "days_off": "2026-12-24"}},
    "/api/v1/clients": {"conn_id": "second", "user_limit": 100, "tags": ["brand"]},
    "/api/v1/clients/retire": {"conn_id": "second"},
    "/api/v1/clients/reopen": {"conn_id": "second"},
    "/api/v1/clients/move": {"conn_id": "second", "filter": {"q": "ada"}},
    "/api/v1/halt": {"reason": "a look"},
    "/api/v1/halt/end": {},
    "/api/v1/consents": {"address": ADA, "purpose": "add", "settings": {"kind": "warmup"}},
    "/api/v1/repairs": {"filter": {"q": "ada"}},
    "/api/v1/repairs/sign-in": {"address": ADA},
    "/api/v1/repairs/skip": {"address": ADA},
    "/api/v1/invites": {"addresses": [ADA]},
    "/api/v1/invites/{invite_id}/revoke": {},
    "/api/v1/imports/preview": {"text": "address,kind\nb@example.com,pool\n"},
    "/api/v1/imports": {"text": "address,kind\nb@example.com,pool\n", "token": "0" * 64},
    "/api/v1/export": {"addresses": [ADA], "format": "csv"},
    "/api/v1/webhooks/test": {"receiver": "desk"},
    "/api/v1/webhooks/deliveries/{delivery_id}/repeat": {},
    "/api/v1/mailboxes/rename": {"address": PIA, "new_address": "p@pool.example", "check": False},
    "/api/v1/consents/{consent_id}/accept": {},
    "/api/v1/mailboxes/export-data": {"addresses": [ADA], "confirmation": ADA},
    "/api/v1/mailboxes/remove": {"addresses": [PIA], "confirmation": PIA, "revoke_grant": True},
    "/api/v1/removals/{removal_id}/continue": {},
    "/api/v1/mailboxes/sync": {"admin": ADA, "kind": "pool", "org_units": ["/Sales"], "groups": [PIA], "tag": "sales"},
    "/invite/look": {"token": "x" * 43},
    "/invite/start": {"token": "x" * 43},
    "/shared-report/look": {"token": "x" * 43},
    "/api/v1/report-links": {"domain": "example.com", "week": "2026-11-02"},
    "/api/v1/report-links/{link_id}/revoke": {},
}
"""A good body for every route that takes one."""
_PLACE = b"WyJhZGRyZXNzIiwwLG51bGwsImFAYi5leGFtcGxlIl0"
_WORDS = (
    ADA.encode(), PIA.encode(), b"active", b"-since", b"needs_reauth", b"pool", b"7", b"warm.example", b"x" * 43,
    b"csv", b"sent", b"2026-01-01", b"access_denied", _PLACE,
)  # fmt: skip
_NAMES = (
    "q", "group", "kind", "domain", "band", "sort", "after", "before", "limit", "state", "address", "days", "code",
    "error", "reauth", "format", "since", "until", "page", "scope",
)  # fmt: skip
_TYPES = ("application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data", "")


@dataclass(frozen=True)
class Page:
    """The application, and what it writes to."""

    app: FastAPI
    engine: sa.Engine
    routes: tuple[tuple[str, str], ...]
    """Method and path of each route."""

    def digest(self) -> str:
        """Return what names the whole contents of the schema."""
        with self.engine.connect() as connection:
            return str(connection.scalar(_DIGEST))


_DIGEST = sa.text(
    "SELECT md5(concat_ws(',', "
    + ", ".join(
        f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {t} t)" for t in Base.metadata.sorted_tables
    )
    + "))"
)


@contextmanager
def page(world: World) -> Iterator[Page]:
    """Make the application on the world's database, with two mailboxes in it."""
    from gmail_warmup.web import permissions
    from gmail_warmup.web.app import create_app
    from gmail_warmup.web.routes import oauth_callback

    for address, kind in ((ADA, "warmup"), (PIA, "pool")):
        world.add(address, kind=kind, expired=False)
    engine = sa.create_engine(world.store.engine.url, pool_size=2)
    app = create_app()
    made = services(world)
    made.__dict__["engine"] = engine
    app.state.context._services = made
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    app.dependency_overrides |= {permissions.get_user: _Op, permissions.may_read_dags: lambda: True}
    variables = {"AIRFLOW__API__BASE_URL": ORIGIN, "AIRFLOW_CONN_GMAIL_OAUTH_CLIENT": _client(world)}
    with (
        patch.dict("os.environ", variables),
        patch.object(permissions, "find_permissions", lambda _: frozenset(Permission)),
        patch.object(oauth_callback, "require_permission", _op),
    ):
        yield Page(app, engine, tuple((method, route.path) for route in routes for method in sorted(route.methods)))
    engine.dispose()


class _Op:
    """Somebody with every right."""

    def get_name(self) -> str:
        return "op"


async def _op(*_: object) -> _Op:
    return _Op()


def _client(world: World) -> str:
    extra = {"auth_uri": world.client.auth_uri, "token_uri": world.client.token_uri}
    return json.dumps(
        {"conn_type": "gmail_oauth_client", "login": CLIENT_ID, "password": CLIENT_SECRET, "extra": extra}
    )


def request(page: Page, source: random.Random) -> httpx.Request:
    """Draw one request."""
    changing = [route for route in page.routes if route[0] == "POST"]
    method, path = source.choice(changing if source.random() < 0.5 else page.routes)
    draw = Mutator(source, _WORDS)
    url = path.replace("{address:path}", _segment(draw, source)).replace("{invite_id}", _number(draw, source))
    url = url.replace("{delivery_id}", _number(draw, source)).replace("{link_id}", _number(draw, source))
    url = url.replace("{dag_id}", _segment(draw, source))
    url = url.replace("{removal_id}", _number(draw, source)).replace("{consent_id}", _number(draw, source))
    if source.random() < 0.6:
        names = source.sample(_NAMES, source.randrange(1, 4))
        url += "?" + urlencode([(name, draw.bytes(most=300)) for name in names])
    headers = [(b"origin", ORIGIN.encode())]
    if source.random() < 0.3:
        headers.append(
            (b"cookie", b"gmail_warmup_browser=" + _line(draw) + b"; gmail_warmup_notice=reauth:" + _line(draw))
        )
    content = b""
    if method not in ("GET", "HEAD"):
        headers.append((b"content-type", source.choice(_TYPES[:1] * 9 + _TYPES).encode()))
        content = _body(path, source)
    return httpx.Request(method, f"{ORIGIN}{url}", headers=headers, content=content)


def _segment(draw: Mutator, source: random.Random) -> str:
    return ADA if source.random() < 0.4 else quote_from_bytes(draw.bytes(most=200), safe="/@") or "x"


def _number(draw: Mutator, source: random.Random) -> str:
    return source.choice(("1", "0", "-1", str(2**63), "9" * 30, "1.5", _segment(draw, source)))


def _line(draw: Mutator) -> bytes:
    return draw.bytes(most=80).translate(None, b"\r\n\0;")


def _body(path: str, source: random.Random) -> bytes:
    good = json.dumps(_BODIES[path]).encode()
    draw = Mutator(source, [good])
    return source.choice((lambda: good, draw.json, draw.json, draw.bytes))()


def read_everything(page: Page, *, paths: dict[str, str]) -> dict[str, str]:
    """Return the answer to a GET of each route, headers included; ``paths`` has the values of parameters."""
    return asyncio.run(_read_everything(page, paths))


async def _read_everything(page: Page, paths: dict[str, str]) -> dict[str, str]:
    transport = httpx.ASGITransport(app=page.app, raise_app_exceptions=False, client=("192.0.2.1", 1))
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=60) as browser:
        for method, path in page.routes:
            for name, value in paths.items():
                path = path.replace(name, value)
            if method == "GET":
                answer = await browser.get(path)
                found[path] = f"{answer.status_code} {answer.headers} {answer.text}"
    return found


def feed_page(page: Page, inputs: int, *, seed: int) -> Fed:
    """Send so many requests, one at a time; a refusal must have changed nothing."""
    return asyncio.run(_feed(page, inputs, seed))


async def _feed(page: Page, inputs: int, seed: int) -> Fed:
    fed = Fed()
    transport = httpx.ASGITransport(app=page.app, raise_app_exceptions=False, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, timeout=60) as browser:
        for number in range(inputs):
            name = f"{seed}/page/{number}"
            asked = request(page, random.Random(name))
            fed.inputs += 1
            before = None if asked.method in ("GET", "HEAD") else page.digest()
            try:
                answer = await asyncio.wait_for(browser.send(asked), WAIT)
            except Exception as error:
                fed.note(f"{name}: {asked.method} {asked.url}: {type(error).__name__}: {str(error)[:200]}")
                continue
            if answer.status_code >= 500:
                fed.note(f"{name}: {asked.method} {asked.url}: {answer.status_code} {answer.text[:200]}")
            if before is not None and answer.status_code >= 400 and page.digest() != before:
                fed.note(f"{name}: {asked.method} {asked.url}: {answer.status_code}, and something was written")
    return fed

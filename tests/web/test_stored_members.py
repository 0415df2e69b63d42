"""Every known value of every stored enum is stored: no page or route fails, and a change of a grant has its reason."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import product

import httpx

from gmail_warmup.core.enums import DagId, DeliveryState, InviteState
from gmail_warmup.oauth.clients.registry import ClientState
from gmail_warmup.oauth.consent.repair_queue import RepairStatus
from support.stored_members import find_members, store_members
from web.kit import API, MOUNT, OPEN, Site

_NEXT = re.compile(r'rel="next" href="([^"]*)"')
_DERIVED: dict[str, type[StrEnum]] = {
    "invites": InviteState, "webhooks/deliveries": DeliveryState, "clients": ClientState,
}  # fmt: skip
"""The lists of the API whose rows have a state that is computed."""
_NOT_REQUESTED = ("/oauth/callback", "/api/v1/clients/move", "/api/v1/export")
"""Routes that refuse a browser's plain GET."""


def test_no_page_or_route_fails_on_a_known_value(site: Site, op: httpx.Client):
    with site.engine.begin() as connection:
        addresses = store_members(connection, user="op")
    failed, silent = [], []
    for path, answer in _visit(site, op, addresses):
        if answer.status_code != 200 and "is a pool mailbox" not in answer.text:
            failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        elif path.endswith("/history"):
            silent += [event["reason"] for event in answer.json()["history"] if not event["sentence"]]
    for list_path, enum in _DERIVED.items():
        assert {row["state"] for row in _rows(op.get(f"{API}/{list_path}"))} == set(enum)
    assert set(re.findall(r'data-status="(\w+)"', op.get(f"{MOUNT}/repairs").text)) == set(RepairStatus)
    assert (failed, silent) == ([], [])


def _rows(answer: httpx.Response) -> list[dict[str, object]]:
    """Return the rows of the list that an answer of the API is or has."""
    found = answer.json()
    return found if isinstance(found, list) else next(value for value in found.values() if isinstance(value, list))


def _visit(site: Site, browser: httpx.Client, addresses: list[str]) -> Iterator[tuple[str, httpx.Response]]:
    """Request each GET route, for each mailbox, tag and DAG that its path names, and the further pages of a list."""
    one_of_each = site.sql("SELECT DISTINCT ON (result) domain FROM gmail_warmup.domain_check ORDER BY result")
    ramps = find_members()["tag_schedule"]["ramp"]
    values = {
        "{address:path}": addresses,
        "{tag:path}": [f"t{number}" for number in range(len(ramps))],
        "{dag_id}": list(DagId),
    }
    for route in site.routes:
        path = str(route["path"])
        if route["mount"] or path in (*OPEN, *_NOT_REQUESTED) or "GET" not in route["methods"]:
            continue
        names = [name for name in values if name in path]
        for chosen in product(*(values[name] for name in names)):
            target = MOUNT + path
            for name, value in zip(names, chosen, strict=True):
                target = target.replace(name, value)
            assert "{" not in target, "give the new path parameter its values"
            yield from _follow(browser, target)
    for row in one_of_each:  # the overview names the busiest domains only
        yield from _follow(browser, f"{MOUNT}/?domain={row['domain']}")


def _follow(browser: httpx.Client, path: str) -> Iterator[tuple[str, httpx.Response]]:
    url: httpx.URL | None = browser.base_url.join(path)
    while url:
        answer = browser.get(url)
        yield url.raw_path.decode(), answer
        more = _NEXT.search(answer.text)
        url = url.join(html.unescape(more[1])) if more else None

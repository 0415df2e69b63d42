"""Rights with the other auth manager, FAB, whose roles stand in its database: list, consent and invites."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import httpx
import pytest

from gmail_sandbox.client import SandboxClient
from web.kit import LIST, MOUNT, Site, at_google, follow, invite, requests_of, start
from web.serving import clean, make_database, serving

ADA = "ada@example.com"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
USERS = ("viewer", "reader", "op")
"""Each with the role of that name; Reader is our own, and may read Connections but not edit them."""


@pytest.fixture(scope="session")
def fab_server(
    postgres: str, sandbox_server: SandboxClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Run an api-server with FAB; its users log in with their passwords."""
    home, database = tmp_path_factory.mktemp("airflow-fab"), make_database(postgres, "airflow_fab")
    with serving(home, database, sandbox_server, AIRFLOW__CORE__AUTH_MANAGER=FAB) as site:
        tokens = {}
        for name in USERS:
            answer = httpx.post(f"{site.origin}/auth/token", json={"username": name, "password": name}, timeout=30)
            tokens[name] = answer.json()["access_token"]
        yield dataclasses.replace(site, tokens=tokens)


@pytest.fixture
def fab(fab_server: Site) -> Site:
    """Yield the running site with empty tables."""
    made = clean(fab_server, fab_server.origin)
    made.add(ADA)
    return made


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("viewer", 403)])
def test_every_route_refuses_who_has_no_right(fab: Site, who: str | None, status: int):
    before = fab.contents()
    with fab.browser(who) as browser:
        found = {name: answer.status_code for name, answer in requests_of(fab, browser)}
    assert len(found) > 15
    assert found == dict.fromkeys(found, status)
    assert fab.contents() == before


def test_who_may_read_connections_looks_and_changes_nothing(fab: Site):
    with fab.browser("reader") as browser:
        page = browser.get(LIST)
        before = fab.contents()
        found = {name: answer.status_code for name, answer in requests_of(fab, browser)}
    refused = {name for name, status in found.items() if status == 403}
    reading = {name for name in found if name.startswith("GET ")} - {"GET /oauth/callback"}
    assert refused == set(found) - reading - {"POST /api/v1/export"}
    assert {found[name] for name in reading} <= {200, 404}
    assert ADA in page.text
    for button in ("data-reauth", "data-pause", "open-add"):
        assert button not in page.text, "only what works is shown"
    assert fab.contents() == before


def test_the_role_op_does_everything(fab: Site):
    with fab.browser("op") as op:
        assert 'data-reauth="ada@example.com"' in op.get(LIST).text
        assert op.get(at_google(start(op, ADA), ADA)).status_code == 303
    assert fab.grant(ADA)["state"] == "active"
    assert fab.sql("SELECT actor FROM gmail_warmup.grant_event ORDER BY id DESC LIMIT 1") == [{"actor": "op"}]


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("viewer", 403), ("reader", 403)])
def test_a_consent_of_somebody_else_is_neither_finished_nor_used_up(fab: Site, who: str | None, status: int):
    with fab.browser("op") as op, fab.browser(who) as other:
        callback = at_google(start(op, ADA), ADA)
        before = fab.contents()
        other.cookies.set("gmail_warmup_browser", op.cookies["gmail_warmup_browser"])
        assert other.get(callback).status_code == status
        assert fab.contents() == before
        assert op.get(callback).status_code == 303


@pytest.mark.parametrize("who", [None, "viewer"])
def test_an_invite_needs_no_login(fab: Site, who: str | None):
    with fab.browser("op") as op, fab.browser(who) as owner:
        done = owner.get(at_google(follow(owner, invite(op, ADA)), ADA))
    assert done.headers["location"] == f"{fab.origin}{MOUNT}/invite/thanks"
    assert fab.grant(ADA)["state"] == "active"

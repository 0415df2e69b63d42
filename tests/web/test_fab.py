"""Rights with the other auth manager, FAB, whose roles stand in its database: list, consent and invites."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import httpx
import pytest

from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.enums import Permission
from web.kit import API, LIST, MOUNT, Site, at_google, follow, invite, requests_of, start
from web.serving import clean, make_database, serving
from web.test_permissions import NEEDED

ADA = "ada@example.com"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
USERS = ("viewer", "reader", "op", "mailbox-reader", "mailbox-operator", "mailbox-administrator")
"""Each has the role of that name; Reader is our own, and may read Connections but not edit them."""


@pytest.fixture(scope="session")
def fab_server(
    postgres: str, sandbox_server: SandboxClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Run an api-server with FAB; its users log in with their passwords."""
    home, database = tmp_path_factory.mktemp("airflow-fab"), make_database(postgres, "airflow_fab")
    with serving(home, database, sandbox_server, AIRFLOW__CORE__AUTH_MANAGER=FAB) as site:
        tokens = {}
        for name in USERS:
            answer = httpx.post(f"{site.origin}/auth/token", json={"username": name, "password": name}, timeout=60)
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


@pytest.mark.parametrize(
    ("who", "held"),
    [
        ("mailbox-reader", "read"),
        ("mailbox-operator", "operate"),
        ("mailbox-administrator", "administer"),
        ("reader", "read"),
        ("op", "administer"),
    ],
)
def test_each_permission_opens_its_routes_and_no_others(fab: Site, who: str, held: str):
    ranks = [permission.name.lower() for permission in Permission]
    with fab.browser(who) as browser:
        assert browser.get(LIST).status_code == 200  # the first page writes what tells a wrong key
        before = fab.contents()
        browser.headers["Authorization"] = f"Bearer {fab.tokens[who]}"  # which a recorded download by GET needs
        found = {name: answer.status_code for name, answer in requests_of(fab, browser)}
    needed = {name: NEEDED.get(name, "read") for name in found}
    refused = {name for name in found if ranks.index(needed[name]) > ranks.index(held)}
    assert {name for name, status in found.items() if status == 403} == refused
    assert {name: status for name, status in found.items() if status == 401 or status >= 500} == {}
    if held == "read":
        after = fab.contents()
        known = {row["id"] for row in before.pop("change_log")}
        written = [row for row in after.pop("change_log") if row["id"] not in known]
        assert {row["action"] for row in written} == {"export"}  # reading all settings is recorded
        assert after == before


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        ("mailbox-reader", set()),
        ("reader", set()),
        ("mailbox-operator", {"data-reauth", "data-pause", "halt-begin"}),
        ("mailbox-administrator", {"data-reauth", "data-pause", "halt-begin", "open-add", "bulk-edit"}),
    ],
)
def test_a_page_shows_only_the_buttons_that_work(fab: Site, who: str, shown: set[str]):
    with fab.browser(who) as browser:
        page = browser.get(LIST).text
        assert browser.get(f"{LIST}/{ADA}").status_code == 200
    assert ADA in page
    buttons = ("data-reauth", "data-pause", "halt-begin", "open-add", "bulk-edit")
    assert {button for button in buttons if button in page} == shown


def test_an_operator_repairs_a_mailbox_and_cannot_add_one(fab: Site):
    with fab.browser("mailbox-operator") as operator:
        assert operator.get(at_google(start(operator, ADA), ADA)).status_code == 303
        body = {"address": "new@example.com", "purpose": "add", "settings": {"kind": "pool"}}
        refused = operator.post(f"{API}/consents", json=body)
    assert fab.grant(ADA)["state"] == "active"
    assert refused.status_code == 403
    assert "can_administer on Gmail Warmup, or permission to edit Airflow's Connections" in refused.json()["detail"]


@pytest.mark.parametrize("who", ["mailbox-reader", "mailbox-operator", "mailbox-administrator"])
def test_the_documented_roles_see_the_page_in_the_menu_and_no_connections(fab: Site, who: str):
    with fab.browser(who) as browser:
        plugins = browser.get("/api/v2/plugins")
        menu = browser.get("/ui/auth/menus").json()["authorized_menu_items"]
        connections = browser.get("/api/v2/connections")
    assert "gmail_warmup" in {plugin["name"] for plugin in plugins.json()["plugins"]}
    assert "Plugins" in menu
    assert "Connections" not in menu
    assert connections.status_code == 403


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

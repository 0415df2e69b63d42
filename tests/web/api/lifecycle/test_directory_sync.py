"""``POST /mailboxes/sync``: what the directory of a Workspace adds and pauses, shown first and then applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gmail_warmup.oauth.reasons import REASONS
from support.interleaving import holding
from support.workspace import ADMIN, put_workspace
from web.kit import API, Site

ADA, BEN, DORA = "ada@work.example", "ben@work.example", "dora@work.example"
GROUP = "warmup@work.example"
BOSS = {"address": ADMIN, "is_admin": True, "org_unit": "/"}
COUNTS = {"add": 0, "pause": 0, "tag": 0, "unchanged": 0, "skipped": 0, "failed": 0}


def user(address: str, **fields: Any) -> dict[str, Any]:
    return {"address": address, "org_unit": "/Sales"} | fields


@pytest.fixture
def workspace(site: Site) -> Site:
    """A Workspace with a new user, a suspended one with a mailbox, and one who has a consent."""
    put_workspace(site.sandbox, site.robot)
    site.sandbox.put_directory([BOSS, user(ADA), user(BEN, suspended=True), user(DORA)], {GROUP: [ADA]})
    site.add(BEN, auth="delegated")
    site.add(DORA)
    with site.browser() as browser:
        browser.get(f"{API}/clients")  # the first request of a process stores the canary of the key
    site.sql("DELETE FROM gmail_warmup.change_log")
    return site


def ask(browser: httpx.Client, *, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = browser.post(f"{API}/mailboxes/sync", json={"admin": ADMIN, "kind": "pool"} | body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def by_address(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["address"]: (row["effect"], row["reason"]) for row in found["mailboxes"]}


def log(site: Site) -> list[tuple[Any, ...]]:
    rows = site.sql("SELECT subject, action, actor, source FROM gmail_warmup.change_log ORDER BY id")
    return [tuple(row.values()) for row in rows]


def test_a_preview_shows_what_is_then_applied(workspace: Site, op: httpx.Client):
    before = workspace.contents()
    shown = ask(op, org_units=["/Sales"])
    assert (shown["applied"], shown["counts"]) == (False, COUNTS | {"add": 1, "pause": 1, "skipped": 1})
    assert by_address(shown) == {
        ADA: ("add", ""),
        BEN: ("pause", "the user is suspended"),
        DORA: ("skipped", "it uses a consent of its owner; change its auth with an import"),
    }
    assert workspace.contents() == before

    done = ask(op, org_units=["/Sales"], daily_target=7, timezone="europe/berlin", apply=True)
    assert done == shown | {"applied": True}
    added = workspace.mailbox(ADA)
    assert (added["auth"], added["kind"], added["daily_target"]) == ("delegated", "pool", 7)
    assert added["timezone"] == "Europe/Berlin"
    assert workspace.mailbox(BEN)["pause_reason"] == "Workspace directory: the user is suspended"
    assert workspace.grant(DORA)["reason"] == "never_granted"
    assert log(workspace) == [(ADA, "mailbox_add", "op", "page"), (BEN, "mailbox_pause", "op", "page")]
    assert ask(op, org_units=["/Sales"], apply=True)["counts"] == COUNTS | {"unchanged": 2, "skipped": 1}


def test_a_client_of_the_api_is_recorded_as_such(workspace: Site):
    with workspace.stranger() as client:
        client.headers["Authorization"] = f"Bearer {workspace.tokens['admin']}"
        ask(client, groups=[GROUP], tag="Sales", apply=True)
    assert log(workspace) == [(ADA, "mailbox_add", "admin", "api"), (BEN, "mailbox_pause", "admin", "api")]
    (added,) = workspace.sql("SELECT after FROM gmail_warmup.change_log WHERE action = 'mailbox_add'")
    assert added["after"]["tags"] == ["sales"]


def test_what_changed_after_the_preview_is_in_the_result(workspace: Site, op: httpx.Client):
    assert by_address(ask(op, org_units=["/Sales"]))[ADA] == ("add", "")
    workspace.sandbox.put_directory([BOSS, user(ADA, suspended=True), user(BEN), user(DORA)])
    done = ask(op, org_units=["/Sales"], apply=True)
    assert by_address(done)[ADA] == ("skipped", "the user is suspended")
    assert done["counts"] == COUNTS | {"unchanged": 1, "skipped": 2}
    assert log(workspace) == []


@pytest.fixture
def refuse(workspace: Site) -> Iterator[Callable[[str], None]]:
    """Let the database refuse to add mailboxes whose address begins with eve@, with an error."""

    def begin(error: str) -> None:
        workspace.sql(
            "CREATE FUNCTION gmail_warmup.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE {error}; END $$;"
            " CREATE TRIGGER refuse BEFORE INSERT ON gmail_warmup.mailbox FOR EACH ROW"
            " WHEN (NEW.address LIKE 'eve@%') EXECUTE FUNCTION gmail_warmup.refuse()"
        )

    yield begin
    workspace.sql("DROP TRIGGER IF EXISTS refuse ON gmail_warmup.mailbox; DROP FUNCTION IF EXISTS gmail_warmup.refuse")


def test_one_mailbox_that_cannot_be_added_stops_no_other(
    workspace: Site, op: httpx.Client, refuse: Callable[[str], None]
):
    workspace.sandbox.put_directory([BOSS, user(ADA), user("eve@work.example"), user("z@work.example")])
    refuse("check_violation")
    done = ask(op, org_units=["/Sales"], apply=True)
    assert done["counts"] == COUNTS | {"add": 2, "failed": 1, "pause": 1}
    assert done["mailboxes"][0]["address"] == "eve@work.example"
    assert "does not accept a value of this mailbox" in done["mailboxes"][0]["error"]
    assert [subject for subject, *_ in log(workspace)] == [ADA, BEN, "z@work.example"]


REFUSED = {
    "directory.denied": ("directory_denied", 422),
    "directory.scope": ("directory_not_delegated", 422),
    "directory.api_disabled": ("directory_api_disabled", 422),
    "directory.not_found": ("directory_not_found", 422),
    "directory.bad_request": ("request_refused", 422),
}


@pytest.mark.parametrize(("fault", "code"), REFUSED.items())
def test_a_refusal_is_shown_with_its_remedy(workspace: Site, op: httpx.Client, fault: str, code: tuple[str, int]):
    before = workspace.contents()
    workspace.sandbox.add_fault(name=fault)
    problem = ask(op, status=code[1], groups=[GROUP], apply=True)
    assert problem["type"] == "urn:gmail-warmup:problem:directory-refused"
    assert REASONS[code[0]].message in problem["detail"]
    assert REASONS[code[0]].remedy in problem["detail"]
    assert workspace.contents() == before


def test_a_page_that_fails_in_the_middle_changes_nothing(workspace: Site, op: httpx.Client):
    before = workspace.contents()
    workspace.sandbox.set(directory_page_size=1)
    workspace.sandbox.add_fault(name="directory.200_same_page")
    problem = ask(op, status=503, apply=True)
    assert problem["type"] == "urn:gmail-warmup:problem:directory-unavailable"
    assert "Try again in some minutes. Nothing was changed." in problem["detail"]
    assert workspace.contents() == before


def test_google_that_does_not_answer_changes_nothing(workspace: Site, op: httpx.Client):
    before = workspace.contents()
    workspace.sandbox.add_fault("directory", close=True)
    problem = ask(op, status=503, apply=True)
    assert "Google could not be reached" in problem["detail"]
    assert workspace.contents() == before


def test_an_address_that_is_no_administrator_is_named(workspace: Site, op: httpx.Client):
    problem = ask(op, status=422, admin="nobody@work.example")
    assert "nobody@work.example" in problem["detail"]
    assert REASONS["not_a_workspace_user"].message in problem["detail"]


def test_a_misspelt_unit_pauses_nobody(workspace: Site, op: httpx.Client):
    problem = ask(op, status=422, org_units=["/Sales", "/Slaes"], apply=True)
    assert "No user of the Workspace is in /Slaes" in problem["detail"]
    assert log(workspace) == []


def test_other_requests_are_served_while_google_is_slow(workspace: Site, op: httpx.Client):
    with ThreadPoolExecutor(1) as pool, workspace.browser() as other:
        with holding(workspace.sandbox, "directory") as until_held:
            running = pool.submit(ask, op)
            until_held()
            assert other.get(f"{API}/clients").status_code == 200
            assert not running.done()
        assert running.result()["counts"]["add"] == 2


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"admin": "admin"}, "admin", "'admin' is not a mail address"),
    ({"admin": None}, "admin", "valid string"),
    ({"kind": "sender"}, "kind", "must be warmup or pool"),
    ({"org_units": ["/a", " "]}, "org_units.1", "must not be empty; / is the whole Workspace"),
    ({"org_units": ["/a\nb"]}, "org_units.0", "LINE FEED"),
    ({"org_units": ["/" * 1001]}, "org_units.0", "must have at most 1000 characters"),
    ({"org_units": ["/a"] * 101}, "org_units", "at most 100"),
    ({"org_units": "/Sales"}, "org_units", "valid tuple"),
    ({"groups": ["sales"]}, "groups.0", "'sales' is not a mail address"),
    ({"groups": [GROUP] * 101}, "groups", "at most 100"),
    ({"tag": "a,b"}, "tag", "contains a comma"),
    ({"tag": "x" * 51}, "tag", "has at most 50"),
    ({"daily_target": 0}, "daily_target", "must be a whole number from 1 to 2000"),
    ({"daily_target": None}, "daily_target", "must be a whole number from 1 to 2000"),
    ({"timezone": "Mars/Olympus"}, "timezone", "is not an IANA time zone"),
    ({"apply": "perhaps"}, "apply", "boolean"),
    ({"org_unit": ["/Sales"]}, "org_unit", "is not known"),
]


@pytest.mark.parametrize(("body", "field", "rule"), WRONG, ids=str)
def test_wrong_input_names_field_and_rule(
    workspace: Site, op: httpx.Client, body: dict[str, Any], field: str, rule: str
):
    (error,) = ask(op, status=422, **body)["errors"]
    assert error["field"] == field
    assert rule in error["message"]
    assert workspace.sandbox.token_requests() == []


@pytest.mark.parametrize("who", [None, "viewer", "user"])
def test_only_who_may_administer_compares(workspace: Site, who: str | None):
    with workspace.browser(who) as browser:
        ask(browser, status=401 if who is None else 403)
    assert workspace.sandbox.token_requests() == []


def test_a_run_that_the_database_ends_says_how_far_it_came(
    workspace: Site, op: httpx.Client, refuse: Callable[[str], None]
):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(DORA), user("eve@work.example")])
    refuse("admin_shutdown")
    problem = ask(op, status=500, org_units=["/Sales"], apply=True)
    assert "Stopped after 0 of 4 mailboxes: none. What was changed stays. Repeat" in problem["detail"]
    workspace.sql("DROP TRIGGER refuse ON gmail_warmup.mailbox")
    assert ask(op, org_units=["/Sales"], apply=True)["counts"] == COUNTS | {"add": 2, "pause": 1, "skipped": 1}

"""The change log through the API and its page: every route that writes records what it changes, exactly once."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from gmail_warmup.mailboxes.change_log import RECORDED_NAMES
from gmail_warmup.web.api.transfers import ExportParams
from support.workspace import ADMIN
from web.kit import API, MOUNT, SECOND_CLIENT, Site, at_google, follow, invite, path_of, start
from web.test_permissions import changes as working_bodies

ADDRESS, NEW = "a@example.com", "b@example.com"
_PAUSED = {"paused_at": None, "pause_reason": None}

RECORDED: dict[str, tuple[tuple[str, str, Any, Any], ...]] = {
    "/api/v1/mailboxes": (("mailbox_change", ADDRESS, {"daily_target": 40}, {"daily_target": 7}),),
    "/api/v1/mailboxes/change": (("mailbox_change", ADDRESS, {"daily_target": 9}, {"daily_target": 7}),),
    "/api/v1/mailboxes/pause": (("mailbox_pause", ADDRESS, _PAUSED, {"pause_reason": "paused on the page"}),),
    "/api/v1/mailboxes/resume": (("mailbox_resume", ADDRESS, {"pause_reason": "paused on the page"}, _PAUSED),),
    "/api/v1/mailboxes/requalify": (("mailbox_requalify", ADDRESS, {"band": "blocked"}, {"band": "paused"}),),
    "/api/v1/clients": (("client_set", SECOND_CLIENT, None, {"user_limit": 100, "tags": ["brand"]}),),
    "/api/v1/clients/retire": (("client_retire", SECOND_CLIENT, None, {"grants": 0}),),
    "/api/v1/clients/reopen": (("client_reopen", SECOND_CLIENT, None, None),),
    "/api/v1/halt": (("halt_begin", "", None, {"reason": "a look"}),),
    "/api/v1/halt/end": (("halt_end", "", {"reason": "a look"}, None),),
    "/api/v1/invites": (("invite_create", ADDRESS, None, {"invite_id": 3}),),
    "/api/v1/invites/{invite_id}/revoke": (("invite_revoke", ADDRESS, {"invite_id": 1}, None),),
    "/api/v1/imports": (
        ("mailbox_add", NEW, None, {"kind": "pool", "daily_target": 40}),
        ("import", "", None, {"added": 1, "updated": 0, "paused": 0}),
    ),
    "/api/v1/schedules/mailboxes": (("mailbox_change", ADDRESS, {"ramp_cap": None}, {"ramp_cap": 7}),),
    "/api/v1/schedules/tags": (("tag_schedule", "sales", None, {"ramp_cap": 7}),),
    "/api/v1/report-links": (("report_link_create", "", None, {"report_id": 3}),),
    "/api/v1/report-links/{link_id}/revoke": (("report_link_revoke", "", {"report_id": 1}, None),),
    "/api/v1/webhooks/test": (("webhook_test", "", None, {"receiver": "desk"}),),
    "/api/v1/webhooks/deliveries/{delivery_id}/repeat": (("webhook_repeat", "", None, {"receiver": "desk"}),),
    "/api/v1/mailboxes/rename": (
        ("mailbox_rename", "b2@example.com", {"address": "former@example.com"}, {"address": "b2@example.com"}),
    ),
    "/api/v1/mailboxes/export-data": (("mailbox_export", ADDRESS, None, None),),
    "/api/v1/mailboxes/remove": (("mailbox_remove", ANY, ANY, ANY),),
    "/api/v1/mailboxes/sync": (("mailbox_add", ADMIN, None, {"auth": "delegated", "kind": "pool"}),),
    "/api/v1/export": (("export", "", None, {"format": "csv", "mailboxes": 1}),),
}
"""What the working body of each route changes: action, subject, and some of the values before and after."""
UNRECORDED = {
    "/api/v1/consents": "starts a consent; what the consent changes is recorded when it ends",
    "/api/v1/clients/move": "starts a consent; here there is no mailbox with a grant",
    "/api/v1/repairs": "chooses what the user signs in for next",
    "/api/v1/repairs/sign-in": "starts a consent",
    "/api/v1/repairs/skip": "chooses what the user signs in for next",
    "/api/v1/imports/preview": "writes nothing",
    "/api/v1/consents/{consent_id}/accept": "finishes a consent, which records it; here there is none",
    "/api/v1/removals/{removal_id}/continue": "continues a removal that was recorded when it began",
    "/invite/look": "writes nothing",
    "/shared-report/look": "writes nothing",
    "/invite/start": "starts a consent",
}
"""The routes that change no mailbox, setting, link or file, and why."""
PREPARED = {
    "/api/v1/mailboxes/change": "UPDATE gmail_warmup.mailbox SET daily_target = 9",
    "/api/v1/mailboxes/requalify": "UPDATE gmail_warmup.mailbox SET band = 'blocked', band_reason = 'spam_mostly'",
}


def entries(site: Site) -> list[dict[str, Any]]:
    """Return the entries of the log, and empty it."""
    found = site.sql("SELECT * FROM gmail_warmup.change_log ORDER BY id")
    site.sql("DELETE FROM gmail_warmup.change_log")
    return found


def includes(found: dict[str, Any] | None, expected: Any) -> bool:
    return expected.items() <= (found or {}).items() if isinstance(expected, dict) else found == expected


def test_every_route_that_writes_records_exactly_what_it_changes(site: Site, op: httpx.Client):
    """A new route fails here until it records its change, or is listed with the reason why it has none."""
    bodies = working_bodies(site)
    assert set(RECORDED) | set(UNRECORDED) == set(bodies)
    site.sql("DELETE FROM gmail_warmup.change_log")
    for path, body in bodies.items():
        if path in PREPARED:
            site.sql(PREPARED[path])
        answer = op.post(path_of({"path": path}), json=body)
        assert answer.status_code < 300 or path in UNRECORDED, answer.text
        found, expected = entries(site), RECORDED.get(path, ())
        assert [(one["action"], one["subject"]) for one in found] == [each[:2] for each in expected], path
        for one, (*_, before, after) in zip(found, expected, strict=True):
            assert includes(one["before"], before), (path, one)
            assert includes(one["after"], after), (path, one)
            assert (one["actor"], one["source"]) == ("op", "page"), path


def test_a_request_that_changes_nothing_records_nothing(site: Site, op: httpx.Client):
    site.add(ADDRESS)
    entries(site)
    same = {"addresses": [ADDRESS]}
    for path, body in (
        ("mailboxes/resume", same),
        ("mailboxes/requalify", same),
        ("mailboxes/change", same | {"changes": {"daily_target": 40}}),
        ("mailboxes", {"address": ADDRESS, "settings": {"kind": "pool"}}),
        ("halt/end", {}),
        ("mailboxes/pause", {"addresses": ["nobody@example.com"]}),
    ):
        op.post(f"{API}/{path}", json=body)
    assert entries(site) == []


def test_a_bearer_token_is_an_api_client(site: Site):
    site.add(ADDRESS)
    entries(site)
    token = {"Authorization": f"Bearer {site.tokens['op']}"}
    httpx.post(
        f"{site.origin}{API}/mailboxes/pause", json={"addresses": [ADDRESS]}, headers=token, timeout=60
    ).raise_for_status()
    assert [(one["actor"], one["source"]) for one in entries(site)] == [("op", "api")]


@pytest.mark.parametrize("invited", [False, True])
def test_a_consent_is_recorded_when_it_ends(site: Site, op: httpx.Client, invited: bool):
    site.add(ADDRESS)
    with site.stranger() as owner:
        browser = owner if invited else op
        url = follow(owner, invite(op, ADDRESS)) if invited else start(op, ADDRESS)
        entries(site)
        browser.get(at_google(url, ADDRESS))
    (found,) = entries(site)
    assert (found["action"], found["subject"]) == ("consent", ADDRESS)
    assert (found["before"], found["after"]["state"]) == ({"state": "needs_reauth"}, "active")
    assert found["actor"] == ("invite:1 (op)" if invited else "op")


def test_a_refused_consent_is_no_change(site: Site, op: httpx.Client):
    site.add(ADDRESS)
    url = start(op, ADDRESS)
    entries(site)
    op.get(at_google(url, ADDRESS, decision="cancel"))
    assert entries(site) == []


def test_every_filter_of_an_export_may_be_recorded():
    assert set(ExportParams.model_fields) - {"state"} <= RECORDED_NAMES


@pytest.fixture
def log(site: Site) -> Site:
    """Return a site with changes of two people on two mailboxes, one a day."""
    ids = {address: site.add(address) for address in (ADDRESS, NEW)}
    site.sql("DELETE FROM gmail_warmup.change_log")
    for day, actor, action, address in (
        (1, "eva", "mailbox_pause", ADDRESS),
        (2, "cli:eva", "mailbox_resume", ADDRESS),
        (3, "max", "mailbox_pause", NEW),
        (4, "max", "a_later_version", ""),
        (5, "max", "mailbox_change", "old@example.com"),
    ):
        site.sql(
            "INSERT INTO gmail_warmup.change_log (at, actor, source, action, subject_kind, subject, mailbox_id, before)"
            " VALUES (make_date(2026, 11, :day) + time '12:00', :actor, 'page', :action, 'mailbox', :address, :id,"
            " '{\"reason\": \"<b>holiday</b>\"}')",
            day=day, actor=actor, action=action, address=address, id=ids.get(address, ids[NEW] if day == 5 else None),
        )  # fmt: skip
    return site


@pytest.mark.parametrize(
    ("params", "days"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"actor": "EVA"}, [2, 1]),
        ({"actor": "%"}, []),
        ({"action": "mailbox_pause"}, [3, 1]),
        ({"mailbox": "A@Example.com"}, [2, 1]),
        ({"mailbox": NEW}, [5, 3]),
        ({"mailbox": "old@example.com"}, [5]),
        ({"since": "2026-11-03T00:00:00Z"}, [5, 4, 3]),
        ({"until": "2026-11-03T00:00:00"}, [2, 1]),
        ({"since": "0357-04-20T04:06:46+18:07"}, [5, 4, 3, 2, 1]),  # an offset that PostgreSQL refuses
        ({"since": "2026-11-02T00:00:00+00:00", "until": "2026-11-04T13:00:00+01:00", "action": "mailbox_pause"}, [3]),
        ({"limit": "2"}, [5, 4]),
    ],
)
def test_filters(log: Site, op: httpx.Client, params: dict[str, str], days: list[int]):
    answer = op.get(f"{API}/changes", params=params)
    assert [int(one["at"][8:10]) for one in answer.json()["changes"]] == days


def test_pages_forwards_and_backwards(log: Site, op: httpx.Client):
    def page(**edge: int) -> dict[str, Any]:
        return op.get(f"{API}/changes", params={"limit": 2} | edge).json()  # type: ignore[no-any-return]

    first = page()
    second = page(before=first["older_before"])
    third = page(before=second["older_before"])
    assert [len(each["changes"]) for each in (first, second, third)] == [2, 2, 1]
    assert third["older_before"] is first["newer_after"] is None
    assert page(after=second["newer_after"])["changes"] == first["changes"]


@pytest.mark.parametrize(
    "params",
    [
        {"action": "other"},
        {"since": "yesterday"},
        {"until": "0001-01-01T00:00:00+10:00"},
        {"limit": "0"},
        {"before": "-1"},
    ],
)
def test_a_wrong_filter_is_an_error(log: Site, op: httpx.Client, params: dict[str, str]):
    assert op.get(f"{API}/changes", params=params).status_code == 422


@pytest.mark.parametrize(
    ("params", "number"),
    [
        ({}, 5),
        ({"actor": "eva", "since": "2026-11-02", "until": "2026-11-02"}, 1),
        ({"action": "other", "since": "x", "before": "y"}, 5),
        ({"mailbox": "nobody@example.com"}, 0),
    ],
)
def test_the_page_lists_and_filters_them(log: Site, op: httpx.Client, params: dict[str, str], number: int):
    answer = op.get(f"{MOUNT}/changes", params=params)
    assert answer.status_code == 200
    assert answer.text.count("data-change=") == number
    assert "<b>holiday" not in answer.text


def test_the_page_shows_labels_and_relative_times(site: Site, op: httpx.Client):
    site.add(ADDRESS)
    op.post(f"{API}/mailboxes/pause", json={"addresses": [ADDRESS]})
    op.post(f"{API}/mailboxes/resume", json={"addresses": [ADDRESS]})
    op.post(f"{API}/halt", json={"reason": "a look"})
    text = op.get(f"{MOUNT}/changes").text
    rows = text[text.index("<tbody") :]
    for label in ("Mailbox paused", "Mailbox resumed", "All mailboxes stopped", "Paused since", "Reason of the pause"):
        assert f">{label}" in rows
    assert "data-exact>just now</time>" in rows
    assert "mailbox_pause" not in rows
    assert not re.search(r">\s*\d{4}-\d\d-\d\dT", rows)

"""Removals by the API: confirmed, all or none, what waits is shown and continued."""

from __future__ import annotations

from typing import Any

import httpx

from web.kit import API, Site

ADA, BOB = "ada@example.com", "bob@example.com"


_NAMED = {"addresses": [ADA]}
CHANGES: dict[str, dict[str, Any]] = {
    "mailboxes": {"address": ADA, "settings": {"kind": "pool", "daily_target": 9}},
    "mailboxes/change": _NAMED | {"changes": {"daily_target": 9}},
    "mailboxes/pause": _NAMED | {"reason": "rest"},
    "mailboxes/resume": _NAMED,
    "mailboxes/requalify": _NAMED,
    "mailboxes/rename": {"address": ADA, "new_address": "eva@example.com", "check": False},
    "schedules/mailboxes": _NAMED | {"values": {"open_rate": 9}},
    "invites": _NAMED,
    "consents": {"address": ADA, "purpose": "reauth"},
}
"""A request to each route that changes a mailbox, or adds something to it."""


def remove(op: httpx.Client, *addresses: str, confirmation: str = ADA, **options: Any) -> httpx.Response:
    body = {"addresses": addresses, "confirmation": confirmation} | options
    return op.post(f"{API}/mailboxes/remove", json=body)


def addresses(site: Site) -> list[str]:
    return [row["address"] for row in site.sql("SELECT address FROM gmail_warmup.mailbox ORDER BY 1")]


def test_a_mailbox_is_removed_and_the_receipt_does_not_name_it(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    assert remove(op, ADA, confirmation=BOB).status_code == 422
    assert addresses(site) == [ADA, BOB]
    answer = remove(op, ADA)
    (removal,) = answer.json()["removals"]
    assert (removal["step"], removal["requested_by"], removal["receipt"]["deleted"]["mailbox"]) == ("done", "op", 1)
    assert addresses(site) == [BOB]
    assert ADA not in answer.text + op.get(f"{API}/removals").text
    assert op.get(f"{API}/mailboxes/{ADA}").status_code == 404


def test_a_selection_is_removed_after_its_number_was_typed_or_not_at_all(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    assert remove(op, ADA, "eve@example.com", confirmation="2").status_code == 404
    body = {"filter": {"domain": "example.com"}, "at_most": 2, "confirmation": "3"}
    assert op.post(f"{API}/mailboxes/remove", json=body).status_code == 422
    assert addresses(site) == [ADA, BOB]
    answer = op.post(f"{API}/mailboxes/remove", json=body | {"confirmation": "2"})
    assert [removal["step"] for removal in answer.json()["removals"]] == ["done", "done"]
    assert addresses(site) == []


def test_a_mailbox_in_use_is_removed_later_and_the_answer_says_so(site: Site, op: httpx.Client):
    site.add(ADA)
    site.sql("UPDATE gmail_warmup.mailbox SET lease_holder = 'task', lease_until = now() + interval '1 hour'")
    (removal,) = remove(op, ADA).json()["removals"]
    assert (removal["step"], removal["problem"], removal["address"]) == ("trash", "mailbox_busy", ADA)
    assert "A task uses the mailbox." in removal["description"]
    before = site.mailbox(ADA)
    for path, body in CHANGES.items():
        answer = op.post(f"{API}/{path}", json=body)
        assert (answer.status_code, answer.json()["detail"].startswith(f"{ADA} is being removed")) == (422, True), path
    change = {"filter": {"q": "ada"}, "changes": {"daily_target": 9}}
    assert op.post(f"{API}/mailboxes/change", json=change).json() == {"changed": 0}
    assert site.mailbox(ADA) == before
    site.sql("UPDATE gmail_warmup.mailbox SET lease_until = NULL")
    assert op.post(f"{API}/removals/{removal['id']}/continue", json={}).json()["step"] == "done"
    assert op.post(f"{API}/removals/99/continue", json={}).status_code == 422

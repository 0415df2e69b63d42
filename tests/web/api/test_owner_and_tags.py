"""Owner and tags in the API and on the page: changed, filtered, counted, exported."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from web.kit import API, LIST, Site, rows

ADA, BOB, EVE = "ada@one.example", "bob@two.example", "eve@two.example"
OLIVIA = "olivia@example.com"


@pytest.fixture
def three(site: Site) -> Site:
    site.add(ADA, "warmup", tags=("sales",), owner_email=OLIVIA)
    site.add(BOB, tags=("north", "sales"))
    site.add(EVE, owner_email="peter@example.com")
    return site


def tags_of(op: httpx.Client) -> dict[str, list[str]]:
    return {box["address"]: box["tags"] for box in op.get(f"{API}/mailboxes").json()["mailboxes"]}


CHANGES: list[tuple[dict[str, Any], int, dict[str, list[str]]]] = [
    ({"tags": ["New", " new"]}, 3, {ADA: ["new"], BOB: ["new"], EVE: ["new"]}),
    ({"tags": []}, 2, {ADA: [], BOB: [], EVE: []}),
    ({"tags": ""}, 2, {ADA: [], BOB: [], EVE: []}),
    ({"tags": None, "add_tags": "Sales, vip"}, 3,
     {ADA: ["sales", "vip"], BOB: ["north", "sales", "vip"], EVE: ["sales", "vip"]}),
    ({"remove_tags": ["sales"]}, 2, {ADA: [], BOB: ["north"], EVE: []}),
    ({"add_tags": ["vip"], "remove_tags": ["sales"]}, 3, {ADA: ["vip"], BOB: ["north", "vip"], EVE: ["vip"]}),
    ({"add_tags": ["sales"], "owner_email": OLIVIA}, 2, {ADA: ["sales"], BOB: ["north", "sales"], EVE: ["sales"]}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "changed", "expected"), CHANGES, ids=str)
def test_tags_of_many_mailboxes_change_together(
    three: Site, op: httpx.Client, changes: dict[str, Any], changed: int, expected: dict[str, list[str]]
):
    answer = op.post(f"{API}/mailboxes/change", json={"filter": {}, "changes": changes})
    assert answer.json() == {"changed": changed}
    assert tags_of(op) == expected


FILTERS = [
    ({"tag": "sales"}, [ADA, BOB]),
    ({"tag": " SALES "}, [ADA, BOB]),
    ({"tag": "sal"}, []),
    ({"owner": "Olivia@Example.com"}, [ADA]),
    ({"owner": "olivia"}, []),
    ({"tag": "sales", "owner": OLIVIA}, [ADA]),
    ({"tag": "x" * 200}, []),
    ({"tag": "\x00"}, []),
]


@pytest.mark.parametrize(("chosen", "expected"), FILTERS, ids=str)
def test_the_list_is_filtered_by_tag_and_owner(
    three: Site, op: httpx.Client, chosen: dict[str, str], expected: list[str]
):
    page = op.get(LIST, params=chosen | {"columns": "owner.tags"})
    assert rows(page.text) == expected
    for path in ("mailboxes", "readiness", "export"):
        is_export = path == "export"
        answer = (
            op.post(f"{API}/export", json={"filter": chosen}) if is_export else op.get(f"{API}/{path}", params=chosen)
        )
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 422:
            assert expected == []
        elif path == "mailboxes":
            assert [box["address"] for box in answer.json()["mailboxes"]] == expected
        elif path == "readiness":
            assert [box["address"] for box in answer.json()["mailboxes"]] == [one for one in expected if one == ADA]
        else:
            listed = [row["address"] for row in csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))]
            assert listed == expected


def test_tags_are_counted(three: Site, op: httpx.Client):
    counts = [{"tag": "north", "mailboxes": 1}, {"tag": "sales", "mailboxes": 2}]
    assert op.get(f"{API}/tags").json() == {"tags": counts}


def test_the_page_of_a_mailbox_shows_owner_and_tags_to_change(three: Site, op: httpx.Client):
    text = op.get(f"{LIST}/{BOB}").text
    assert 'name="tags" value="north, sales"' in text
    assert f'name="owner_email" maxlength="254" value="{OLIVIA}"' in op.get(f"{LIST}/{ADA}").text


def test_an_import_changes_owner_and_tags_as_its_preview_shows(three: Site, op: httpx.Client):
    text = (
        f'address,kind,owner_email,tags\n{ADA},warmup,,"sales, =vip"\n{BOB},pool,bob@example.com,\n'
        f"{EVE},pool,peter@example.com,\n"
    )
    preview = op.post(f"{API}/imports/preview", json={"text": text}).json()
    changes = {line["address"]: [tuple(change.values()) for change in line["changes"]] for line in preview["lines"]}
    assert changes == {
        ADA: [("owner_email", OLIVIA, None), ("tags", "sales", "=vip, sales")],
        BOB: [("owner_email", None, "bob@example.com"), ("tags", "north, sales", None)],
        EVE: [],
    }
    assert op.post(f"{API}/imports", json={"text": text, "token": preview["token"]}).status_code == 200
    assert tags_of(op) == {ADA: ["=vip", "sales"], BOB: [], EVE: []}
    exported = op.post(f"{API}/export", json={"filter": {}}).text
    again = op.post(f"{API}/imports/preview", json={"text": exported}).json()
    assert again["counts"]["unchanged"] == 3


def test_a_bad_owner_or_tag_in_a_file_is_named_with_its_line(three: Site, op: httpx.Client):
    text = f"address,kind,owner_email,tags\n{ADA},warmup,olivia,{'x' * 200}\n{BOB},pool,,\n"
    preview = op.post(f"{API}/imports/preview", json={"text": text}).json()
    bad, good = preview["lines"]
    assert [problem["field"] for problem in bad["problems"]] == ["owner_email", "tags"]
    assert "is not a mail address" in bad["problems"][0]["rule"]
    assert "a tag has at most 50" in bad["problems"][1]["rule"]
    assert good["problems"] == []

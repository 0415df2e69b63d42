"""Export and import over HTTP: what comes out goes in again, nothing unseen is written, and no token passes."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any

import httpx
import pytest

from gmail_warmup.transfer.parser import MAX_PROBLEMS
from samples.files.tables import CSV_SHAPES
from web.kit import API, MOUNT, Site

ADA, BOB, EVE = "ada@example.com", "bob@example.org", "eve@example.com"
HEADER = "address,kind,daily_target,timezone,display_name,pause_reason\n"


def preview(op: httpx.Client, text: str) -> dict[str, Any]:
    answer = op.post(f"{API}/imports/preview", json={"text": text})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def take(op: httpx.Client, text: str, token: str | None = None) -> httpx.Response:
    return op.post(f"{API}/imports", json={"text": text, "token": token or preview(op, text)["token"]})


@pytest.fixture
def three(site: Site) -> Site:
    """Two mailboxes with a name or a pause, one with neither."""
    site.add(ADA, "warmup", daily_target=33, open_rate=12, reply_rate=3, timezone="Asia/Tokyo", display_name="Ada, Ä")
    site.add(BOB)
    site.add(EVE, auth="delegated", display_name="=cmd|' /C calc'!A0")
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), paused_until = current_date + 300, "
             "pause_reason = '-1+1 \"x\"' WHERE address = :bob", bob=BOB)  # fmt: skip
    site.sql("UPDATE gmail_warmup.oauth_grant SET client_id = 'client-of-ours'")
    return site


SETTINGS = (
    "SELECT address, kind, auth, daily_target, open_rate, reply_rate, timezone, display_name, paused_at IS NULL, "
    "pause_reason, paused_until FROM gmail_warmup.mailbox ORDER BY address"
)


def export(browser: httpx.Client, form: str, **chosen: str) -> httpx.Response:
    return browser.post(f"{API}/export", json={"filter": chosen, "format": form})


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_was_exported_can_be_imported_again(three: Site, op: httpx.Client, form: str):
    before = three.sql(SETTINGS)
    text = export(op, form).text
    assert preview(op, text)["counts"] == {"to_add": 0, "to_update": 0, "unchanged": 3, "to_pause": 0, "bad": 0}
    three.sql("DELETE FROM gmail_warmup.mailbox")
    assert take(op, text).json() == {"to_add": 3, "to_update": 0, "unchanged": 0, "to_pause": 1, "bad": 0}
    assert three.sql(SETTINGS) == before
    assert [three.grant(address)["state"] for address in (ADA, EVE)] == ["needs_reauth", "active"]
    events = three.sql("SELECT actor, to_state, reason FROM gmail_warmup.grant_event ORDER BY id DESC LIMIT 3")
    assert [event["actor"] for event in events] == ["op"] * 3


def test_no_cell_of_a_spreadsheet_begins_like_a_formula(three: Site, op: httpx.Client):
    three.add("=1+1@example.com")
    answer = export(op, "csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="gmail-accounts.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbfaddress,kind,")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 5
    assert [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r"))] == []


def test_an_export_holds_no_credential(three: Site, op: httpx.Client):
    for form in ("csv", "json"):
        text = export(op, form).text
        assert "client-of-ours" not in text
        assert "token" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [ADA, BOB, EVE]),
        ({"kind": "warmup"}, [ADA]),
        ({"state": "paused"}, [BOB]),
        ({"domain": "EXAMPLE.com"}, [ADA, EVE]),
        ({"q": "ob@"}, [BOB]),
        ({"q": "nobody"}, []),
    ],
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_lists_filters_choose_what_is_exported(
    three: Site, op: httpx.Client, form: str, query: dict[str, str], expected: list[str]
):
    text = export(op, form, **query).text.removeprefix("\ufeff")
    rows = json.loads(text) if form == "json" else list(csv.DictReader(io.StringIO(text)))
    assert [row["address"] for row in rows] == expected


def test_chosen_mailboxes_are_exported_or_an_unknown_one_is_named(three: Site, op: httpx.Client):
    answer = op.post(f"{API}/export", json={"addresses": [EVE, ADA], "format": "json"})
    assert [row["address"] for row in answer.json()] == [ADA, EVE]
    answer = op.post(f"{API}/export", json={"addresses": [ADA, "who@example.com"]})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def many(site: Site, number: int) -> None:
    site.sql(
        "WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, created_by) SELECT 'box' || "
        "to_char(n, 'FM00000') || '@example.com', 'pool', 't' FROM generate_series(1, :number) n RETURNING id) "
        "INSERT INTO gmail_warmup.oauth_grant (mailbox_id) SELECT id FROM m",
        number=number,
    )


def test_more_mailboxes_than_a_chunk_are_exported_once_each(site: Site, op: httpx.Client):
    many(site, 2500)
    with op.stream("POST", f"{API}/export", json={"filter": {}, "format": "csv"}) as answer:
        assert "content-length" not in answer.headers
        rows = list(csv.DictReader(io.StringIO(answer.read().decode("utf-8-sig"))))
    assert [row["address"] for row in rows] == [f"box{number:05}@example.com" for number in range(1, 2501)]


def test_a_preview_tells_what_each_line_would_do_and_writes_nothing(three: Site, op: httpx.Client):
    before = three.contents()
    text = HEADER + f'{ADA},warmup,40,Asia/Tokyo,"Ada, Ä",\n{BOB},pool,40,UTC,,\nnew@example.com,pool,,,,on leave\n'
    shown = preview(op, text)
    assert shown["counts"] == {"to_add": 1, "to_update": 1, "unchanged": 1, "to_pause": 1, "bad": 0}
    assert [(line["number"], line["address"], line["outcome"], line["pauses"]) for line in shown["lines"]] == [
        (2, ADA, "update", False),
        (3, BOB, "unchanged", False),
        (4, "new@example.com", "add", True),
    ]
    assert shown["lines"][0]["changes"] == [{"field": "daily_target", "before": 33, "after": 40}]
    assert [line["needs_sign_in"] for line in shown["lines"]] == [False, False, True]
    assert three.contents() == before


def test_an_import_changes_settings_and_leaves_the_rest(three: Site, op: httpx.Client):
    grants = [three.grant(address) for address in (ADA, BOB, EVE)]
    paused = three.mailbox(BOB)["paused_at"]
    text = f"address,kind,daily_target,pause_reason\n{ADA},pool,40,\n{BOB},pool,41,another\n{EVE},pool,,why\n"
    assert take(op, text).json() == {"to_add": 0, "to_update": 3, "unchanged": 0, "to_pause": 1, "bad": 0}
    ada, bob, eve = (three.mailbox(address) for address in (ADA, BOB, EVE))
    assert (ada["kind"], ada["daily_target"], ada["timezone"], ada["display_name"]) == (
        "pool",
        40,
        "Asia/Tokyo",
        "Ada, Ä",
    )
    assert (bob["daily_target"], bob["paused_at"], bob["pause_reason"][:4]) == (41, paused, "-1+1")
    assert (eve["daily_target"], eve["paused_by"], eve["pause_reason"], eve["auth"]) == (40, "op", "why", "delegated")
    assert [three.grant(address) for address in (ADA, BOB, EVE)] == grants


@pytest.mark.parametrize(("name", "raw"), CSV_SHAPES[2::4] + CSV_SHAPES[-1:])
def test_the_bytes_of_a_file_are_read_like_its_text(site: Site, op: httpx.Client, name: str, raw: bytes):
    body = {"content": base64.b64encode(raw).decode()}
    shown = op.post(f"{API}/imports/preview", json=body).json()
    assert (shown["counts"]["to_add"], shown["unit"]) == (3, "row" if name == "workbook" else "line")
    assert bool(shown["warnings"]) is (name == "Windows-1252")
    assert op.post(f"{API}/imports", json=body | {"token": shown["token"]}).json()["to_add"] == 3
    assert site.mailbox("cleo@pool.example")["signature"] == 'Cleo "C"\nShop'


def test_bytes_that_cannot_be_read_are_explained(site: Site, op: httpx.Client):
    for raw, said in ((b"\xd0\xcf\x11\xe0", "Save it as .xlsx"), (b"x" * 5_000_001, "is larger than 5 MB")):
        answer = op.post(f"{API}/imports/preview", json={"content": base64.b64encode(raw).decode()})
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


BAD = HEADER + (
    "nobody,pool,,,,\n"
    f"{ADA},boss,0,Mars/Base,<b>,\n"
    f"{BOB},pool,,,,\n"
    f"{BOB},pool,,,,{'x' * 501}\n"
    "new@example.com,pool,,,,,more\n"
)


def test_all_problems_of_all_lines_are_told_at_once_and_nothing_is_imported(three: Site, op: httpx.Client):
    before = three.contents()
    shown = preview(op, BAD)
    assert (shown["token"], shown["counts"]["bad"]) == (None, 4)
    problems = {line["number"]: [problem["field"] for problem in line["problems"]] for line in shown["lines"]}
    assert problems == {
        2: ["address"],
        3: ["kind", "daily_target", "timezone", "display_name"],
        4: [],
        5: ["pause_reason", "address"],
        6: [""],
    }
    rules = [problem["rule"] for line in shown["lines"] for problem in line["problems"]]
    for rule in ("Write it as name@domain", "must be a whole number from 1 to 2000", "write it like Europe/Berlin",
                 "appears twice", "at most 500 characters", "this line has 7"):  # fmt: skip
        assert any(rule in told for told in rules), rule
    refused = take(op, BAD, token="0" * 64)
    assert (refused.status_code, refused.json()["preview"]) == (409, shown)
    assert three.contents() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The file is empty"),
        ("a;b\n1;2\n", "header line with the columns address and kind"),
        ("address,daily_target\n", "header line with the columns address and kind"),
        ("[1]", "must be a list of objects"),
        ("[" * 100_000, "not JSON"),
        ('[{"address": "\\ud800@example.com"}]', "invalid characters"),
        ("address,kind\na\x00,pool\n", "invalid characters"),
        ("x" * 5_000_001, "is larger than 5 MB; import it on the server"),
    ],
    ids=lambda value: value[:30],
)
def test_a_file_that_is_none_is_explained(site: Site, op: httpx.Client, text: str, said: str):
    answer = op.post(f"{API}/imports/preview", json={"text": text})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("column", ["oauth_token", "grant"])
def test_a_token_is_refused_and_not_repeated(site: Site, op: httpx.Client, column: str):
    text = json.dumps([{"address": ADA, "kind": "pool", column: {"refresh_token": "1//secret"}}])
    answer = op.post(f"{API}/imports/preview", json={"text": text})
    (line,) = answer.json()["lines"]
    assert line["outcome"] == "bad"
    assert "gmail-warmup mailboxes import FILE" in line["problems"][0]["rule"]
    assert "1//secret" not in answer.text
    assert take(op, text, token="x").status_code == 409
    assert "1//secret" not in site.log()
    assert site.sql("SELECT * FROM gmail_warmup.mailbox") == []


def test_how_a_mailbox_is_reached_is_not_changed_in_passing(three: Site, op: httpx.Client):
    (line,) = preview(op, f"address,kind,auth\n{EVE},pool,grant\n")["lines"]
    assert [(problem["field"], problem["rule"][:14]) for problem in line["problems"]] == [("auth", "is 'delegated'")]


CHANGES = [
    f"UPDATE gmail_warmup.mailbox SET daily_target = 34 WHERE address = '{ADA}'",
    f"UPDATE gmail_warmup.mailbox SET paused_at = now(), pause_reason = 'x' WHERE address = '{ADA}'",
    f"DELETE FROM gmail_warmup.mailbox WHERE address = '{ADA}'",
    "INSERT INTO gmail_warmup.mailbox (address, kind, created_by) VALUES ('new@example.com', 'warmup', 't');"
    "INSERT INTO gmail_warmup.oauth_grant (mailbox_id) SELECT max(id) FROM gmail_warmup.mailbox",
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_import_that_would_do_something_else_than_was_shown_is_refused(three: Site, op: httpx.Client, change: str):
    text = HEADER + f"{ADA},warmup,40,Asia/Tokyo,,a reason\nnew@example.com,pool,,,,\n"
    shown = preview(op, text)
    three.sql(change)
    before = three.contents()
    refused = take(op, text, shown["token"])
    assert refused.status_code == 409
    fresh = refused.json()["preview"]
    assert fresh["token"] not in (None, shown["token"])
    assert three.contents() == before
    assert take(op, text, fresh["token"]).status_code == 200


def test_the_token_is_that_of_this_file(three: Site, op: httpx.Client):
    token = preview(op, f"address,kind\n{ADA},pool\n")["token"]
    assert take(op, f"address,kind\n{BOB},warmup\n", token).status_code == 409
    assert take(op, "address,kind\nnew@example.com,pool\n", token).status_code == 409
    assert three.mailbox(BOB)["kind"] == "pool"


def test_an_import_again_changes_nothing(three: Site, op: httpx.Client):
    text = HEADER + f"{ADA},pool,40,UTC,,\nnew@example.com,pool,,,,\n"
    take(op, text)
    before = three.contents()
    assert take(op, text).json()["unchanged"] == 2
    assert three.contents() == before


def test_fifty_thousand_lines_are_previewed_and_imported(site: Site, op: httpx.Client):
    text = "address,kind\n" + "".join(f"box{number}@example.com,pool\n" for number in range(50_000))
    shown = preview(op, text)
    assert (shown["counts"]["to_add"], len(shown["lines"])) == (50_000, 50_000)
    assert take(op, text, shown["token"]).json()["to_add"] == 50_000
    assert (
        site.sql("SELECT count(*) FROM gmail_warmup.oauth_grant WHERE reason = 'never_granted'")[0]["count"] == 50_000
    )


def test_the_page_offers_both_and_names_every_column(site: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/import").text
    for name in ("address", "kind", "auth", "daily_target", "pause_reason", "paused_until"):
        assert f"<code>{name}</code>" in page
    assert [form for form in ("csv", "json") if f'data-export="{form}"' in page] == ["csv", "json"]
    assert "1 to 2000" in page or "1-2000" in page


@pytest.mark.parametrize(
    ("line", "unit"),
    [("x", "line"), ('x,"', "line"), ("a,b,c,d", "line"), ("a@example.com,pool", "line"), ("a@example.com,x", "line"),
     ('{"address": "x"}', "entry"), ('{"kind": 1, "a": 1, "b": 1}', "entry")],
)  # fmt: skip
def test_a_file_of_errors_has_a_bounded_answer(site: Site, op: httpx.Client, line: str, unit: str):
    text = f"[{','.join([line] * 100_000)}]" if unit == "entry" else "\n".join(["address,kind", *[line] * 100_000])
    answer = op.post(f"{API}/imports/preview", json={"text": text})
    shown = answer.json()
    assert shown["token"] is None
    assert sum(len(found["problems"]) for found in shown["lines"]) <= MAX_PROBLEMS + 20
    assert len(answer.content) < 500_000
    number = 100_000 + (unit == "line")
    assert shown["lines"][-1]["number"] + shown["more"] == number, "those that are not listed are counted"

"""The API and the pages of schedules."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from web.kit import API, MOUNT, Site

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def two(site: Site) -> Site:
    site.add(ADA, "warmup")
    site.add(BOB, "warmup")
    site.sql("INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) SELECT id, 'a/b sales' FROM gmail_warmup.mailbox")
    return site


def values_of(op: httpx.Client, address: str) -> dict[str, Any]:
    answer = op.get(f"{API}/schedules/mailboxes/{address}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["values"])


def put(op: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return op.post(f"{API}/schedules/{path}", json=body)


def test_schedules_of_mailboxes_and_tags_are_set_and_read(two: Site, op: httpx.Client):
    assert set(values_of(op, ADA)) == set(SCHEDULE_NAMES)
    assert {item["origin"] for item in values_of(op, ADA).values()} == {"global"}
    assert put(op, "tags", tag=" A/B Sales", values={"ramp_cap": "20", "language": "DE"}).json() == {
        "tag": "a/b sales", "values": {"ramp_cap": 20, "language": "de"}
    }  # fmt: skip
    assert put(op, "mailboxes", addresses=[ADA], values={"ramp_cap": 30, "days_off": "2026-12-24"}).json() == {
        "changed": 1
    }
    assert values_of(op, ADA)["ramp_cap"] == {"value": 30, "origin": "mailbox", "tag": None}
    assert values_of(op, BOB)["ramp_cap"] == {"value": 20, "origin": "tag", "tag": "a/b sales"}
    assert put(op, "mailboxes", filter={}, values={"ramp_start": 4}).json() == {"changed": 2}
    assert values_of(op, ADA)["ramp_cap"]["origin"] == "tag", "a put replaces everything that is set"
    assert op.get(f"{API}/mailboxes/{ADA}").json()["language"] == "de"
    assert op.get(f"{API}/schedules/tags/a%2Fb%20sales").json()["values"] == {"ramp_cap": 20, "language": "de"}
    assert len(op.get(f"{API}/schedules/tags").json()["tags"]) == 1
    put(op, "tags", tag="a/b sales", values={})
    assert op.get(f"{API}/schedules/tags").json()["tags"] == []
    assert values_of(op, BOB)["ramp_cap"]["origin"] == "global"


WRONG = [
    ({"ramp_cap": 501}, "ramp_cap", "must be a whole number from 1 to 500"),
    ({"ramp_start": 0}, "ramp_start", "must be a whole number from 1 to 500"),
    ({"ramp_step": -1}, "ramp_step", "must be a whole number from 0 to 500"),
    ({"open_rate": "many"}, "open_rate", "must be a whole number from 0 to 100"),
    ({"ramp": "steep"}, "ramp", "must be linear or phases"),
    ({"sending_window": "18:00-09:00"}, "sending_window", "must start before it ends, within 00:00-24:00"),
    ({"sending_window": "09:00-09:30"}, "sending_window", "must be at least 60 minutes long; it has 30"),
    ({"sending_window": "9-18"}, "sending_window", "must read HH:MM-HH:MM, for example 09:00-18:00"),
    ({"sending_days": "mon,funday"}, "sending_days", "must list days out of mon, tue, wed, thu, fri, sat, sun"),
    ({"holidays": "XX"}, "holidays", "must list countries by ISO code, such as DE or DE-BY; 'XX' is not known"),
    ({"days_off": "24.12.2026"}, "days_off", "must list dates as YYYY-MM-DD, for example 2026-12-24,2026-12-31"),
    ({"language": "german!"}, "language", "must be a language tag such as 'de' or 'pt-br' (BCP 47)"),
    ({"colour": "red"}, "colour", "is not known"),
]


@pytest.mark.parametrize(("values", "field", "message"), WRONG, ids=str)
def test_a_wrong_value_is_refused_by_each_way_and_changes_nothing(
    two: Site, op: httpx.Client, values: dict[str, Any], field: str, message: str
):
    before = two.contents()
    for answer in (
        put(op, "tags", tag="sales", values=values),
        put(op, "mailboxes", addresses=[ADA], values=values),
        op.post(f"{API}/mailboxes/change", json={"addresses": [ADA], "changes": values}),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"field": field, "message": message}]
    assert two.contents() == before


def test_a_pause_has_an_end(two: Site, op: httpx.Client):
    until = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
    body = {"addresses": [ADA], "reason": "away", "until": until}
    assert op.post(f"{API}/mailboxes/pause", json=body).json() == {"changed": 1}
    assert op.get(f"{API}/mailboxes/{ADA}").json()["paused_until"] == until
    answer = op.post(f"{API}/mailboxes/pause", json={"addresses": [BOB], "until": "2026-01-01"})
    assert answer.status_code == 422
    assert "must be after today and within ten years; it is" in answer.json()["detail"]
    assert two.mailbox(BOB)["paused_at"] is None
    assert f'Paused until <time datetime="{until}"' in page(op, f"mailboxes/{ADA}")


def page(op: httpx.Client, path: str) -> str:
    answer = op.get(f"{MOUNT}/{path}")
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def test_the_pages_show_each_value_with_its_origin(two: Site, op: httpx.Client):
    put(op, "tags", tag="a/b sales", values={"ramp_cap": 20, "sending_window": "10:00-12:00"})
    put(op, "mailboxes", addresses=[ADA], values={"ramp_cap": 30})
    text = page(op, f"mailboxes/{ADA}")
    assert text.count("<span data-origin>from the options</span>") == len(SCHEDULE_NAMES) - 2
    assert "<span data-origin>from this mailbox</span>" in text
    assert "<span data-origin>from the tag a/b sales</span>" in text
    assert 'placeholder="10:00-12:00"' in text
    assert "which ends at 30 here" in text
    listed = page(op, "schedules")
    assert "At most a day: 20" in listed
    assert "2 mailboxes" in listed
    assert 'value="10:00-12:00"' in page(op, "schedules/a%2Fb%20sales")


def test_a_stored_schedule_that_breaks_a_rule_is_shown_and_can_be_replaced(two: Site, op: httpx.Client):
    put(op, "tags", tag="a/b sales", values={"sending_window": "10:00-12:00"})
    two.sql("UPDATE gmail_warmup.tag_schedule SET sending_window = 'always'")
    assert "schedule of its tag 'a/b sales'" in page(op, f"mailboxes/{ADA}")
    assert op.get(f"{API}/schedules/mailboxes/{ADA}").status_code == 422
    assert 'value="always"' in page(op, "schedules/a%2Fb%20sales")
    assert put(op, "tags", tag="a/b sales", values={"sending_window": "10:00-12:00"}).status_code == 200
    assert op.get(f"{API}/mailboxes/{ADA}").json()["invalid"] == []

"""The list: what an operator sees, and how it stays one page among many."""

from __future__ import annotations

import html
import re
from itertools import chain

import httpx
import pytest

from gmail_warmup.grants.reasons import REASONS
from web.kit import API, MOUNT, Site

ROW = re.compile(r'<tr role="row" data-address="([^"]+)" data-state="([^"]+)"')


def rows(text: str) -> list[str]:
    return [html.unescape(address) for address, _ in ROW.findall(text)]


def set_grant(site: Site, address: str, state: str, reason: str | None = None, **values: str) -> None:
    more = "".join(f", {name} = {value}" for name, value in values.items())
    site.sql(
        f"UPDATE gmail_warmup.oauth_grant SET state = :state, reason = :reason{more} WHERE mailbox_id = "
        "(SELECT id FROM gmail_warmup.mailbox WHERE address = :address)",
        state=state,
        reason=reason,
        address=address,
    )


@pytest.fixture
def full(site: Site) -> Site:
    """One mailbox of each sort."""
    for name in ("valid", "expiring", "suspect", "dead", "blocked", "deleted", "off"):
        site.add(f"{name}@example.com", "warmup" if name == "valid" else "pool")
    set_grant(site, "valid@example.com", "active", refreshed_at="now()")
    set_grant(site, "expiring@example.com", "active", refresh_expires_at="now() + interval '49 hours'")
    set_grant(site, "suspect@example.com", "suspect", "grant_refused")
    set_grant(site, "dead@example.com", "needs_reauth", "expired_or_revoked")
    set_grant(site, "blocked@example.com", "blocked_by_admin", "blocked_by_admin")
    set_grant(site, "deleted@example.com", "account_deleted", "account_deleted")
    set_grant(site, "off@example.com", "disabled")
    site.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), pause_reason = 'away' WHERE address ~ '^(off|valid)'")
    return site


COUNTS = {"total": 7, "valid": 2, "needs_reauth": 1, "blocked": 3, "suspect": 1, "expiring": 1, "paused": 2}


def test_counts(full: Site, op: httpx.Client):
    assert op.get(f"{API}/counts").json() == COUNTS


@pytest.mark.parametrize("group", [name for name in COUNTS if name != "total"])
def test_a_filter_shows_as_many_as_its_counter(full: Site, op: httpx.Client, group: str):
    listed = op.get(f"{API}/mailboxes", params={"state": group}).json()["mailboxes"]
    page = op.get(f"{MOUNT}/", params={"state": group}).text
    assert len(listed) == COUNTS[group]
    assert rows(page) == [box["address"] for box in listed]


def test_each_state_comes_with_its_reason_in_words_and_the_step(full: Site, op: httpx.Client):
    page = html.unescape(op.get(f"{MOUNT}/").text)
    for code in ("grant_refused", "expired_or_revoked", "blocked_by_admin", "account_deleted"):
        assert REASONS[code].sentence in page
    for code in ("grant_refused", "blocked_by_admin", "account_deleted"):
        assert REASONS[code].step in page
    assert "Gmail is switched off or locked" in page
    assert "Expires in 2 days" in page
    assert "Paused" in page
    assert "<strong>1 mailbox</strong>" in page


def test_every_mailbox_can_be_reauthenticated_and_the_dead_one_stands_out(full: Site, op: httpx.Client):
    full.add("robot@example.com", auth="delegated")
    page = op.get(f"{MOUNT}/").text
    found = {address: kind for kind, address in re.findall(r'class="button (\w+)" data-reauth="([^"]+)"', page)}
    assert [address for address, kind in found.items() if kind == "primary"] == ["dead@example.com"]
    assert set(found) == set(rows(page)) - {"robot@example.com"}


def test_the_api_says_the_same_in_fields(full: Site, op: httpx.Client):
    box = op.get(f"{API}/mailboxes/dead@example.com").json()
    assert (box["state"], box["state_label"], box["needs_person"]) == ("needs_reauth", "Needs re-authentication", True)
    assert box["sentence"] == REASONS["expired_or_revoked"].sentence
    assert op.get(f"{API}/mailboxes/valid@example.com").json()["ramp"] == {
        "day": 1,
        "taken_today": 0,
        "planned_today": 5,
    }
    assert not {"refresh_token", "access_token", "client_id"} & set(box)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "warmup"}, ["valid@example.com"]),
        ({"q": "DEAD"}, ["dead@example.com"]),
        ({"q": "ada l"}, ["off@example.com"]),
        ({"q": "d", "state": "blocked"}, ["blocked@example.com", "deleted@example.com", "off@example.com"]),
        ({"q": "%"}, []),
        ({"q": "_ead"}, []),
        ({"q": "' OR 1=1 --"}, []),
    ],
)
def test_search_and_filter(full: Site, op: httpx.Client, query: dict[str, str], expected: list[str]):
    full.sql("UPDATE gmail_warmup.mailbox SET display_name = 'Ada Lovelace' WHERE address = 'off@example.com'")
    page = op.get(f"{MOUNT}/", params=query)
    assert rows(page.text) == expected
    assert ("Nothing matches" in page.text) == (not expected)


def test_an_unknown_filter_shows_everything(full: Site, op: httpx.Client):
    assert len(rows(op.get(f"{MOUNT}/?state=nonsense&kind=alien").text)) == 7


def test_an_empty_list_says_what_to_do_first(site: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/").text
    assert "No mailboxes yet" in page
    assert "Add the first mailbox" in page


def walk(op: httpx.Client, path: str, rel: str) -> list[list[str]]:
    pages = []
    while path:
        text = op.get(path).text
        pages.append(rows(text))
        link = re.search(rf'rel="{rel}" href="\./\?([^"]+)"', text)
        path = f"{MOUNT}/?{html.unescape(link[1])}" if link else ""
    return pages


def test_paging_shows_each_mailbox_once_forwards_and_backwards(site: Site, op: httpx.Client):
    # Plus and ampersand would break a link that is not encoded.
    every = sorted([f"box+{number:03}&x@example.com" for number in range(230)])
    site.sql(
        "WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, created_by) SELECT 'box+' || "
        "to_char(n, 'FM000') || '&x@example.com', 'pool', 't' FROM generate_series(0, 229) n RETURNING id) "
        "INSERT INTO gmail_warmup.oauth_grant (mailbox_id) SELECT id FROM m"
    )
    forwards = walk(op, f"{MOUNT}/?q=example", "next")
    assert [len(page) for page in forwards] == [50, 50, 50, 50, 30]
    assert list(chain(*forwards)) == every
    backwards = walk(op, f"{MOUNT}/?before=zzz", "prev")
    assert list(chain(*reversed(backwards))) == every
    assert len(op.get(f"{API}/mailboxes", params={"limit": 1000}).json()["mailboxes"]) == 230


def test_a_link_from_a_task_shows_its_mailbox_on_top_and_starts_nothing(full: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/", params={"reauth": "dead@example.com"}).text
    focus = page[page.index('id="focus"') : page.index("</section>")]
    assert "dead@example.com" in focus
    assert 'data-reauth="dead@example.com"' in focus
    assert full.sql("SELECT * FROM gmail_warmup.consent") == []


def test_a_link_to_an_unknown_mailbox_says_so(full: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/", params={"reauth": "<i>gone@example.com"}).text
    assert "is not a mailbox here" in page
    assert "<i>" not in page


HOSTILE = "<script>alert(1)</script>' onload=x &amp;"


def test_what_a_person_typed_is_never_markup(site: Site, op: httpx.Client):
    site.add("o'x&{{7*7}}@example.com")
    # Behind the rules for input, as an older import might have left it.
    site.sql("UPDATE gmail_warmup.mailbox SET display_name = :x, paused_at = now(), pause_reason = :x", x=HOSTILE)
    for query in ({}, {"q": HOSTILE}, {"reauth": HOSTILE}, {"reauth": "o'x&{{7*7}}@example.com"}, {"after": HOSTILE}):
        text = op.get(f"{MOUNT}/", params=query).text
        assert "<script>" not in text
        assert "49@example.com" not in text
    text = op.get(f"{MOUNT}/").text
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in text
    assert rows(text) == ["o'x&{{7*7}}@example.com"]


@pytest.mark.parametrize("value", ["reauth:<b>x</b>@example.com", "gone:ada@example.com", "x", "reauth:not an address"])
def test_a_notice_that_we_did_not_write_is_not_shown(site: Site, op: httpx.Client, value: str):
    page = op.get(f"{MOUNT}/", headers={"Cookie": f"_token={site.tokens['op']}; gmail_warmup_notice={value}"})
    assert page.status_code == 200
    assert 'id="notice"' not in page.text

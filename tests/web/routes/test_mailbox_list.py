"""The list: what an operator sees, and how it stays one page among many."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from gmail_warmup.oauth.reasons import REASONS
from web.kit import API, LIST, Site, fill, rows


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


COUNTS = {
    "total": 7, "valid": 2, "needs_reauth": 1, "blocked": 3, "suspect": 1, "expiring": 1, "paused": 2, "throttled": 0,
    "health_paused": 0, "health_blocked": 0,
}  # fmt: skip


def test_counts(full: Site, op: httpx.Client):
    assert op.get(f"{API}/counts").json() == COUNTS


@pytest.mark.parametrize("group", [name for name in COUNTS if name != "total"])
def test_a_filter_shows_as_many_as_its_counter(full: Site, op: httpx.Client, group: str):
    listed = op.get(f"{API}/mailboxes", params={"state": group}).json()["mailboxes"]
    page = op.get(LIST, params={"state": group}).text
    assert len(listed) == COUNTS[group]
    assert rows(page) == [box["address"] for box in listed]


def test_each_state_comes_with_its_reason_in_words_and_the_step(full: Site, op: httpx.Client):
    page = html.unescape(op.get(LIST).text)
    for code in ("grant_refused", "expired_or_revoked", "blocked_by_admin", "account_deleted"):
        assert REASONS[code].message in page
    for code in ("grant_refused", "blocked_by_admin", "account_deleted"):
        assert REASONS[code].remedy in page
    assert "Gmail is disabled or locked" in page
    assert "Expires in 2 days" in page
    assert "Paused" in page
    assert "<strong>1 mailbox</strong>" in page


def test_every_mailbox_can_be_reauthenticated_and_the_dead_one_stands_out(full: Site, op: httpx.Client):
    full.add("robot@example.com", auth="delegated")
    page = op.get(LIST).text
    found = {address: kind for kind, address in re.findall(r'class="button (\w+)" data-reauth="([^"]+)"', page)}
    assert [address for address, kind in found.items() if kind == "primary"] == ["dead@example.com"]
    assert set(found) == set(rows(page)) - {"robot@example.com"}


def test_the_api_says_the_same_in_fields(full: Site, op: httpx.Client):
    box = op.get(f"{API}/mailboxes/dead@example.com").json()
    assert (box["state"], box["state_label"], box["needs_person"]) == ("needs_reauth", "Needs re-authentication", True)
    assert box["sentence"] == REASONS["expired_or_revoked"].message
    ramp = op.get(f"{API}/mailboxes/valid@example.com").json()["ramp"]
    assert (ramp["day"], ramp["taken_today"], ramp["planned_today"]) == (1, 0, 5)
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
        ({"q": "\x00"}, []),
        ({"domain": "\x00"}, []),
        ({"q": "' OR 1=1 --"}, []),
    ],
)
def test_search_and_filter(full: Site, op: httpx.Client, query: dict[str, str], expected: list[str]):
    full.sql("UPDATE gmail_warmup.mailbox SET display_name = 'Ada Lovelace' WHERE address = 'off@example.com'")
    page = op.get(LIST, params=query)
    assert rows(page.text) == expected
    assert ("No matches" in page.text) == (not expected)


def test_an_unknown_filter_shows_everything(full: Site, op: httpx.Client):
    assert len(rows(op.get(f"{LIST}?state=nonsense&kind=alien").text)) == 7


def test_an_empty_list_says_what_to_do_first(site: Site, op: httpx.Client):
    page = op.get(LIST).text
    assert "No mailboxes yet" in page
    assert "Add the first mailbox" in page
    assert 'href="./import"' in page


def test_filters_count_what_they_let_through(site: Site, op: httpx.Client):
    fill(site, 90)
    cases: list[dict[str, str]] = [
        {},
        {"state": "valid"},
        {"state": "valid", "kind": "pool"},
        {"state": "blocked", "domain": "TEAM1.example"},
        {"state": "expiring", "kind": "warmup"},
        {"state": "paused", "q": "box+0"},
        {"domain": "team2.example"},
        {"domain": "eam2.example"},
        {"q": "BOX+001", "kind": "warmup", "domain": "team0.example"},
    ]
    for case in cases:
        answer = op.get(f"{API}/mailboxes", params=case | {"limit": "1000"}).json()
        assert answer["matching"] == len(answer["mailboxes"]), case
        assert (answer["matching"] == 0) == (case == {"domain": "eam2.example"}), case
        assert ("No matches" in op.get(LIST, params=case).text) == (answer["matching"] == 0)


def test_domains_are_offered_the_commonest_first(site: Site, op: httpx.Client):
    for address in ("a@one.example", "b@two.example", "c@two.example"):
        site.add(address)
    assert op.get(f"{API}/domains").json() == {
        "domains": [{"domain": "two.example", "mailboxes": 2}, {"domain": "one.example", "mailboxes": 1}]
    }


def put_day(site: Site, address: str, ago: int, **numbers: int) -> None:
    """Count mails on a day of the mailbox's own calendar."""
    names, values = ", ".join(numbers), ", ".join(map(str, numbers.values()))
    site.sql(
        f"INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, {names}) SELECT id, "
        f"(now() AT TIME ZONE timezone)::date - CAST(:ago AS int), {values} FROM gmail_warmup.mailbox "
        "WHERE address = :address",
        address=address,
        ago=ago,
    )


# On one of these it is another day than in UTC, whatever time it is.
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ramp_counts_days_of_the_mailbox_own_calendar(site: Site, op: httpx.Client, zone: str):
    for name in ("today", "not-yet", "claimed"):
        site.add(f"{name}@example.com", "warmup", timezone=zone)
        put_day(site, f"{name}@example.com", 1, planned=40, claimed=7, sent=7)
    put_day(site, "today@example.com", 0, planned=9, claimed=3, sent=2)
    put_day(site, "claimed@example.com", 0, planned=11, claimed=1, sent=0)
    site.sql("UPDATE gmail_warmup.mailbox SET warmup_days = CASE WHEN address ~ 'today' THEN 4 ELSE 3 END")
    listed = op.get(f"{API}/mailboxes").json()["mailboxes"]
    shown = ("day", "taken_today", "planned_today")
    assert {box["address"].split("@")[0]: tuple(box["ramp"][name] for name in shown) for box in listed} == {
        "today": (4, 3, 9),
        "not-yet": (4, 0, 11),
        "claimed": (4, 1, 11),
    }
    assert "3 of 9 today" in op.get(LIST).text


def test_placement_is_that_of_seven_days_and_says_its_numbers(site: Site, op: httpx.Client):
    site.add("ada@example.com", "warmup")
    site.add("new@example.com", "warmup")
    put_day(site, "ada@example.com", 0, inbox=5, spam=1, elsewhere=1)
    put_day(site, "ada@example.com", 6, inbox=2, missing=1)
    put_day(site, "ada@example.com", 7, inbox=900)
    box = op.get(f"{API}/mailboxes/ada@example.com").json()
    assert box["placement"] == {"inbox": 7, "elsewhere": 1, "spam": 1, "missing": 1}
    page = op.get(LIST).text
    assert 'aria-label="7 in the inbox, 1 elsewhere, 1 in spam, 1 missing"' in page
    assert "70 % of 10" in page
    assert '<rect class="spam" x="80.0" width="10.0"' in page
    assert page.count("nothing sent") == 1


def test_a_pool_mailbox_shows_what_it_found_and_rescued(site: Site, op: httpx.Client):
    ids = {"sender": site.add("ada@example.com", "warmup"), "pool": site.add("pool@example.com")}
    cases = [("inbox", 0, None), ("spam", 1, "now()"), ("spam", 6, None), ("missing", 2, None), ("inbox", 8, None)]
    site.plan("ada@example.com", mails=len(cases))
    for slot, (placement, days, rescued) in enumerate(cases):
        site.sql(
            "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, status, "
            "subject, claimed_at, placement, placed_at, rescued_at) VALUES (:slot, :sender, :pool, current_date, "
            ":slot, now(), 'sent', 'x', now() - :days * interval '1 day', :placement, now(), "
            f"{rescued or 'NULL'})",
            slot=slot,
            days=days,
            placement=placement,
            **ids,
        )
    box = op.get(f"{API}/mailboxes/pool@example.com").json()
    assert (box["received"], box["placement"], box["ramp"]) == ({"mails": 3, "rescued": 1}, None, None)
    assert "3 received" in op.get(f"{LIST}?kind=pool").text


def test_a_link_from_a_task_shows_its_mailbox_on_top_and_starts_nothing(full: Site, op: httpx.Client):
    page = op.get(LIST, params={"reauth": "dead@example.com"}).text
    focus = page[page.index('id="focus"') : page.index("</section>")]
    assert "dead@example.com" in focus
    assert 'data-reauth="dead@example.com"' in focus
    assert full.sql("SELECT * FROM gmail_warmup.consent") == []


def test_a_link_to_an_unknown_mailbox_says_so(full: Site, op: httpx.Client):
    page = op.get(LIST, params={"reauth": "<i>gone@example.com"}).text
    assert "is not in the list of mailboxes" in page
    assert "<i>" not in page


HOSTILE = "<script>alert(1)</script>' onload=x &amp;"


def test_what_a_person_typed_is_never_markup(site: Site, op: httpx.Client):
    site.add("o'x&{{7*7}}@example.com")
    # Behind the rules for input, as an older import might have left it.
    site.sql("UPDATE gmail_warmup.mailbox SET display_name = :x, paused_at = now(), pause_reason = :x", x=HOSTILE)
    for query in ({}, {"q": HOSTILE}, {"reauth": HOSTILE}, {"reauth": "o'x&{{7*7}}@example.com"}, {"after": HOSTILE}):
        text = op.get(LIST, params=query).text
        assert "<script>" not in text
        assert "49@example.com" not in text
    text = op.get(LIST).text
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in text
    assert rows(text) == ["o'x&{{7*7}}@example.com"]


@pytest.mark.parametrize("value", ["reauth:<b>x</b>@example.com", "gone:ada@example.com", "x", "reauth:not an address"])
def test_a_notice_that_we_did_not_write_is_not_shown(site: Site, op: httpx.Client, value: str):
    page = op.get(LIST, headers={"Cookie": f"_token={site.tokens['op']}; gmail_warmup_notice={value}"})
    assert page.status_code == 200
    assert 'id="notice"' not in page.text


def headings(text: str) -> list[str]:
    """Return the titles of the columns, without those for the selection and the actions."""
    head = text[text.index("<thead") : text.index("</thead>")]
    found = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<th [^>]*>(.*?)</th>", head, re.DOTALL)]
    return [title for title in found if title not in ("", "Actions")]


BY_DEFAULT = ["Mailbox", "State", "Warmup", "Inbox, 7 days", "Cold mail today"]


@pytest.mark.parametrize(
    ("url", "cookie", "expected"),
    [
        ("", "", BY_DEFAULT),
        ("timezone.kind", "", ["Mailbox", "State", "Kind", "Time zone"]),
        ("", "expires.name", ["Mailbox", "State", "Name", "Expires"]),
        ("refreshed", "expires.name", ["Mailbox", "State", "Refreshed"]),
        ("none", "", ["Mailbox", "State"]),
        ("", "none", ["Mailbox", "State"]),
        ("kind.nonsense", "", ["Mailbox", "State", "Kind"]),
        ("<script>", "", BY_DEFAULT),
        ("", "nonsense", BY_DEFAULT),
    ],
)
def test_the_url_chooses_the_columns_then_the_browser(
    full: Site, op: httpx.Client, url: str, cookie: str, expected: list[str]
):
    cookies = f"_token={full.tokens['op']}; gmail_warmup_columns={cookie}"
    page = op.get(LIST, params={"columns": url} if url else {}, headers={"Cookie": cookies}).text
    assert headings(page) == expected
    assert rows(page) == sorted(rows(page))
    chosen = re.findall(r'<input type="checkbox" value="(\w+)" checked>', page)
    assert len(chosen) == len(expected) - 2


def test_every_link_of_the_list_keeps_the_columns_of_its_url(full: Site, op: httpx.Client):
    page = html.unescape(op.get(LIST, params={"columns": "kind.since", "size": "25"}).text)
    links = [link for link in re.findall(r'href="(\./mailboxes\?[^"]*)"', page) if "size=25" in link]
    assert links
    assert all("columns=kind.since" in link for link in links)
    assert '<input type="hidden" name="columns" value="kind.since">' in page


def test_a_delegated_mailbox_says_so_in_its_state(site: Site, op: httpx.Client):
    site.add("robot@example.com", auth="delegated")
    assert "Service account" in op.get(LIST).text

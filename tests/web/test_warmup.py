"""What the page and the API show of the warmup: health, the day's volume, statistics, the kill switch, DNS."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from web.api.test_history import ADA, POOL, put_mail
from web.kit import API, LIST, MOUNT, Site, rows
from web.routes.test_mailbox_list import put_day

BEN = "ben@two.example"


def words(op: httpx.Client, path: str) -> str:
    """Return a page as it is read: one line, nothing escaped."""
    answer = op.get(f"{MOUNT}/{path}")
    assert answer.status_code == 200, answer.text
    return " ".join(html.unescape(answer.text).split())


def page_of(op: httpx.Client, address: str = ADA) -> str:
    return words(op, f"mailboxes/{quote(address, safe='@')}")


def set_health(site: Site, address: str, band: str, reason: str | None, **more: str) -> None:
    """Put a mailbox into a band; ``more`` are columns with SQL."""
    columns = "".join(f", {name} = {value}" for name, value in more.items())
    site.sql(
        f"UPDATE gmail_warmup.mailbox SET band = :band, band_reason = :reason{columns} WHERE address = :address",
        band=band, reason=reason, address=address,
    )  # fmt: skip


@pytest.fixture
def ada(site: Site) -> Site:
    """One mailbox that is being warmed up on its third day, and one that receives."""
    site.add(ADA, "warmup")
    site.add(POOL, "pool")
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL")
    site.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 10 WHERE kind = 'warmup'")
    return site


TODAY = "(now() AT TIME ZONE timezone)::date"

# The ramp allows 25 on the eleventh day.
STANDINGS: list[tuple[str, str | None, dict[str, str], str, int, str | None]] = [
    ("healthy", None, {}, "Healthy", 25, None),
    ("watch", "spam_some", {}, "Watched", 25, None),
    ("throttled", "spam_much", {"band_since": "now()"}, "Throttled", 17, "spam_much"),
    ("throttled", "spam_much", {"band_since": "now() - interval '3 days'"}, "Throttled", 12, "spam_much"),
    ("paused", "spam_too_much", {"health_window_start": f"{TODAY} + 2"}, "Paused by health", 0, "spam_too_much"),
    ("paused", "spam_too_much", {"health_window_start": TODAY}, "Paused by health", 5, "requalifying"),
    ("blocked", "bounces_mostly", {}, "Blocked by health", 0, "bounces_mostly"),
    ("healthy", None, {"half_volume_on": TODAY}, "Healthy", 12, "halved"),
]


@pytest.mark.parametrize(("band", "reason", "more", "label", "planned", "lowered_by"), STANDINGS)
def test_the_days_volume_is_what_the_engine_allows(
    ada: Site, op: httpx.Client, band: str, reason: str | None, more: dict[str, str], label: str, planned: int,
    lowered_by: str | None,
):  # fmt: skip
    set_health(ada, ADA, band, reason, **more)
    ramp = op.get(f"{API}/mailboxes/{ADA}").json()["ramp"]
    assert (ramp["planned_today"], ramp["allowed_today"], ramp["lowered_by"]) == (planned, 25, lowered_by)
    today = op.get(f"{API}/mailboxes/{ADA}/statistics").json()["today"]
    assert today == ramp
    page, listed = page_of(op), words(op, "mailboxes")
    assert f"</svg> {label}</span>" in page
    assert f"0 of {planned} today" in listed
    assert ("data-band" in listed) == (band != "healthy")
    if lowered_by:
        assert f"Below the ramp: {WARMUP_REASONS[lowered_by].message}" in page
    else:
        assert "Below the ramp" not in page


def test_what_all_may_send_today_is_the_sum_of_what_each_may(ada: Site, op: httpx.Client):
    open_every_day = op.get(f"{API}/mailboxes/{ADA}").json()["ramp"]["planned_today"]
    for number, (band, reason, more, *_) in enumerate(STANDINGS):
        ada.add(f"box{number}@example.com", "warmup")
        set_health(ada, f"box{number}@example.com", band, reason, warmup_days="10", **more)
    ada.add(f"closed@{BEN.partition('@')[2]}", "warmup")
    close(ada, BEN.partition("@")[2])
    ada.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL")
    weekend = ada.sql("SELECT extract(isodow FROM now() AT TIME ZONE 'UTC') > 5 AS is_it")[0]["is_it"]
    expected = 0 if weekend else open_every_day + sum(planned for *_, planned, _ in STANDINGS)
    assert f"0 of {expected} planned" in words(op, "dag/gmail_warmup")


def test_a_day_that_has_begun_is_as_it_was_planned_or_less(ada: Site, op: httpx.Client):
    put_day(ada, ADA, 0, planned=9, claimed=8, sent=7, ramp=25)
    ada.sql("UPDATE gmail_warmup.mailbox_day SET reduction_reason = 'pool_too_small'")
    ramp = op.get(f"{API}/mailboxes/{ADA}").json()["ramp"]
    assert (ramp["planned_today"], ramp["pending_today"], ramp["lowered_by"]) == (9, 2, "pool_too_small")
    set_health(ada, ADA, "blocked", "spam_mostly")
    ramp = op.get(f"{API}/mailboxes/{ADA}").json()["ramp"]
    assert (ramp["planned_today"], ramp["pending_today"], ramp["lowered_by"]) == (8, 1, "spam_mostly")


def test_a_band_is_told_with_its_reason_and_step(ada: Site, op: httpx.Client):
    set_health(ada, ADA, "blocked", "spam_mostly", band_since="'2026-11-24 03:00+00'")
    reason = WARMUP_REASONS["spam_mostly"]
    page, listed = page_of(op), words(op, "mailboxes")
    assert reason.message in page
    assert reason.remedy_for(ADA) in page
    assert "ADDRESS" not in page
    assert "2026-11-24 03:00:00 UTC" in page
    assert reason.message in listed
    assert 'data-band="blocked"' in listed


@pytest.mark.parametrize(
    ("counts", "score", "shown"),
    [
        ({"inbox": 19}, None, "not yet: 19 of the required 20 mails placed in 7 days"),
        ({"inbox": 20}, 100, "<strong>100</strong> of 100"),
        ({"inbox": 16, "spam": 4}, 50, "<strong>50</strong> of 100"),
    ],
)
def test_the_score_is_null_below_the_floor(
    ada: Site, op: httpx.Client, counts: dict[str, int], score: int | None, shown: str
):
    put_day(ada, ADA, 1, sent=20, planned=20, read=16, replied=11, **counts)
    found = op.get(f"{API}/mailboxes/{ADA}/statistics").json()
    assert found["score"] == found["health"]["score"] == score
    assert shown in page_of(op)


def test_statistics_of_one_mailbox_and_of_all(ada: Site, op: httpx.Client):
    ada.add(BEN, "warmup")
    numbers = {"inbox": 6, "spam": 2, "elsewhere": 2, "missing": 1, "rescued": 2, "read": 8, "replied": 5, "bounced": 1}
    put_day(ada, ADA, 1, planned=14, claimed=12, sent=12, ramp=14, **numbers)
    put_day(ada, ADA, 40, planned=900, claimed=900, sent=900, inbox=900)
    put_day(ada, BEN, 0, planned=7, claimed=5, sent=4, inbox=4, ramp=7)
    set_health(ada, BEN, "throttled", "spam_much")
    one = op.get(f"{API}/mailboxes/{ADA}/statistics").json()
    assert (one["address"], one["days"]) == (ADA, 30)
    assert one["counts"] == {
        "sent": 12, "opened": 8, "replied": 5, "inbox": 6, "elsewhere": 2, "spam": 2, "rescued": 2, "missing": 1,
        "bounced": 1, "rejected": 0, "failed": 0, "open_percent": 80.0, "reply_percent": 50.0, "spam_percent": 20.0,
    }  # fmt: skip
    assert (one["today"]["phase"], one["today"]["progress"]) == ("ramp, day 11 of 19", 62)
    assert [(day["planned"], day["counts"]["sent"]) for day in one["by_day"]] == [(14, 12)]
    all_ = op.get(f"{API}/statistics", params={"days": 366}).json()
    assert (all_["mailboxes"], all_["counts"]["sent"], all_["sent_today"], all_["planned_today"]) == (2, 916, 4, 7)
    assert all_["bands"] == {"healthy": 1, "watch": 0, "throttled": 1, "paused": 0, "blocked": 0}
    assert len(all_["by_day"]) == 3
    for days in ("0", "367", "x"):
        assert op.get(f"{API}/statistics", params={"days": days}).status_code == 422
    pool = op.get(f"{API}/mailboxes/{POOL}/statistics")
    assert (pool.status_code, "is a pool mailbox" in pool.json()["detail"]) == (422, True)
    assert op.get(f"{API}/mailboxes/none@example.com/statistics").status_code == 404


def test_placement_is_told_by_provider(ada: Site, op: httpx.Client):
    for placement in ("inbox", "inbox", "spam", "promotions", "missing", None):
        put_mail(ada, ADA, POOL, placement=placement)
    ada.sql("UPDATE gmail_warmup.ledger SET placed_at = now(), claimed_at = now() WHERE placement IS NOT NULL")
    (found,) = op.get(f"{API}/mailboxes/{ADA}/statistics").json()["providers"]
    assert found == {
        "provider": "workspace", "label": "Google Workspace", "inbox": 2, "elsewhere": 1, "spam": 1, "missing": 1,
    }  # fmt: skip
    assert "Google Workspace</th><td>2</td><td>1</td><td>1</td><td>1</td>" in page_of(op)


def test_a_pool_mailbox_has_no_health(ada: Site, op: httpx.Client):
    set_health(ada, POOL, "blocked", "spam_mostly")  # left over from when it was warmed up
    page = page_of(op, POOL)
    assert 'id="warmup"' not in page
    assert "Blocked by health" not in page
    assert op.get(f"{API}/counts").json()["health_blocked"] == 0


GROUPS = {"throttled": "throttled", "health_paused": "paused", "health_blocked": "blocked"}


@pytest.mark.parametrize("group", GROUPS)
def test_a_health_group_shows_as_many_as_its_counter(ada: Site, op: httpx.Client, group: str):
    for band in ("watch", *GROUPS.values()):
        ada.add(f"{band}@example.com", "warmup")
        set_health(ada, f"{band}@example.com", band, "spam_much")
    wanted = [f"{GROUPS[group]}@example.com"]
    listed = op.get(f"{API}/mailboxes", params={"state": group}).json()
    assert ([box["address"] for box in listed["mailboxes"]], listed["matching"]) == (wanted, 1)
    assert rows(op.get(LIST, params={"state": group}).text) == wanted
    assert op.get(f"{API}/counts").json()[group] == 1
    assert re.search(rf'href="\./mailboxes\?state={group}" ?>1 ', words(op, "mailboxes"))
    paused = op.post(f"{API}/mailboxes/pause", json={"filter": {"state": group}})
    assert paused.json() == {"changed": 1}


def test_requalify_lets_a_stopped_mailbox_send_a_sample(ada: Site, op: httpx.Client):
    set_health(ada, ADA, "blocked", "spam_mostly")
    assert 'id="requalify"' in page_of(op)
    assert op.post(f"{API}/mailboxes/requalify", json={"addresses": [ADA.upper(), POOL]}).json() == {"changed": 1}
    row = ada.mailbox(ADA)
    assert (row["band"], row["band_reason"]) == ("paused", "released")
    page = page_of(op)
    assert 'id="requalify"' not in page
    assert WARMUP_REASONS["requalifying"].message in page
    assert "by op;" in page
    (event,) = op.get(f"{API}/mailboxes/{ADA}/health").json()["history"]
    assert (event["actor"], event["from_band"], event["to_band"]) == ("op", "blocked", "paused")
    assert event["sentence"] == WARMUP_REASONS["released"].message
    unknown = op.post(f"{API}/mailboxes/requalify", json={"addresses": [ADA, "who@example.com"]})
    assert unknown.status_code == 404


def test_changes_of_the_band_are_told_in_words_the_newest_first(ada: Site, op: httpx.Client):
    for before, after, reason in (("healthy", "throttled", "spam_much"), ("throttled", "paused", "spam_too_much")):
        ada.sql(
            "INSERT INTO gmail_warmup.health_event (mailbox_id, actor, from_band, to_band, reason, placed, spam,"
            " bounced, is_alertable) SELECT id, 'warmup', :before, :after, :reason, 30, 7, 1, false FROM "
            "gmail_warmup.mailbox"
            " WHERE address = :address",
            before=before, after=after, reason=reason, address=ADA,
        )  # fmt: skip
    page = page_of(op)
    told = page[page.index('id="health-history"') :]
    assert told.index("Paused by health") < told.index("Throttled</strong>")
    assert WARMUP_REASONS["spam_too_much"].message in told
    assert "by the warmup engine; 7 of 30 in spam, 1 bounced" in told


def test_stop_and_start_again(ada: Site, op: httpx.Client):
    places = ("", "dag/gmail_warmup", f"mailboxes/{ADA}")
    for place in places:
        assert 'id="halt"' not in words(op, place)
    for place in places[:2]:
        assert "Stop all sending" in words(op, place)
    answer = op.post(f"{API}/halt", json={"reason": " Bounces <b>everywhere</b> "}).json()
    assert (answer["newly"], answer["stopped"]["by"], answer["stopped"]["reason"]) == (
        True, "op", "Bounces <b>everywhere</b>",
    )  # fmt: skip
    again = op.post(f"{API}/halt", json={"reason": "another"}).json()
    assert again == answer | {"newly": False}
    assert op.get(f"{API}/standing").json()["stopped"] == answer["stopped"]
    for place in places:
        assert "by op: Bounces <b>everywhere</b>." in words(op, place)
        assert "<b>" not in op.get(f"{MOUNT}/{place}").text
        assert 'data-ask="halt-end"' in words(op, place)
        assert "Stop all sending" not in words(op, place)
    assert op.post(f"{API}/halt/end", json={}).json() == {"ended": answer["stopped"]}
    assert op.post(f"{API}/halt/end", json={}).json() == {"ended": None}
    assert 'id="halt"' not in words(op, "")
    assert [row["ended_by"] for row in ada.sql("SELECT ended_by FROM gmail_warmup.halt")] == ["op"]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({}, "is required"),
        ({"reason": "  "}, "is required"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"reason": "two\nlines"}, "must be one line"),
        ({"reason": "\x00"}, "must be one line"),
    ],
)
def test_nothing_is_stopped_without_a_reason(ada: Site, op: httpx.Client, body: dict[str, Any], rule: str):
    answer = op.post(f"{API}/halt", json=body)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert (problem["field"], rule in problem["message"]) == ("reason", True)
    assert ada.sql("SELECT * FROM gmail_warmup.halt") == []


def put_record(site: Site, domain: str, record: str, code: str, *, bad_days: int | None = None) -> None:
    """Write down what a look found; ``bad_days`` since when it is bad."""
    since = "NULL" if bad_days is None else f"now() - interval '{bad_days} days'"
    site.sql(
        "INSERT INTO gmail_warmup.domain_check (domain, record, result, code, detail, bad_code, bad_since, bad_seen_at)"
        f" VALUES (:domain, :record, :result, :code, 'x y', :bad_code, {since},"
        f" {'NULL' if bad_days is None else 'now()'})",
        domain=domain,
        record=record,
        result=DNS_REASONS[code].result.value,
        code=code,
        bad_code=None if bad_days is None else code,
    )


def close(site: Site, domain: str) -> None:
    put_record(site, domain, "dmarc", "dmarc_missing", bad_days=5)


def test_the_records_of_a_mailboxs_domain_are_told(ada: Site, op: httpx.Client):
    assert "Not checked yet" in page_of(op)
    put_record(ada, "example.com", "spf", "spf_behind_google")
    put_record(ada, "example.com", "dkim", "no_answer")
    put_record(ada, "example.com", "dmarc", "dmarc_missing", bad_days=1)
    page = page_of(op)
    shown = re.findall(r"</svg> (SPF|DKIM|DMARC) ([a-z ]+)</span>", page)
    assert shown == [("SPF", "warning"), ("DKIM", "could not tell"), ("DMARC", "bad")]
    for code in ("spf_behind_google", "no_answer", "dmarc_missing"):
        assert DNS_REASONS[code].remedy_for("example.com") in page
    assert "is not sent from" not in page
    assert 'id="closed"' not in words(op, "")
    (found,) = op.get(f"{API}/dns", params={"domain": "EXAMPLE.com"}).json()["domains"]
    assert (found["domain"], found["closed"]) == ("example.com", None)
    assert op.get(f"{API}/dns", params={"domain": "\x00"}).json() == {"domains": []}


@pytest.mark.parametrize(("number", "more"), [(1, ""), (3, ""), (5, "And 2 more;")])
def test_domains_that_are_not_sent_from_stand_above_the_list(ada: Site, op: httpx.Client, number: int, more: str):
    for domain in ("example.com", "b.example", "c.example", "d.example", "e.example")[:number]:
        close(ada, domain)
    page = words(op, "")
    banner = page[page.index('id="closed"') :].split("</ul>")[0]
    assert f"{number} domain{' does' if number == 1 else 's do'} not send" in banner
    assert banner.count("<li>") == min(number, 3) + bool(more)
    assert more in banner
    assert ("more;" in banner) == bool(more)
    closed = op.get(f"{API}/standing").json()["closed"]
    assert len(closed) == number
    assert [gate["step"] in banner for gate in closed] == [True] * min(number, 3) + [False] * (number - 3)
    assert "example.com is not sent from: There is no DMARC record." in page_of(op)


def test_the_signature_is_in_the_form_and_never_markup(ada: Site, op: httpx.Client):
    hostile = "\n</textarea><script>alert(1)</script>\nAda"
    ada.sql("UPDATE gmail_warmup.mailbox SET signature = :text", text=hostile)
    text = op.get(f"{MOUNT}/mailboxes/{ADA}").text
    assert "<script>alert" not in text
    shown = html.unescape(text.split('<textarea id="signature"')[1].split(">", 1)[1].split("</textarea>")[0])
    assert shown == f"\n{hostile}", "a parser leaves out the first line break of a text area"

"""The overview of a small fleet, with numbers that are calculated by hand; in the API and on the page."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest

from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.reporting import domain_volumes
from web.kit import API, MOUNT, Site
from web.routes.test_mailbox_list import put_day, set_grant
from web.test_warmup import close, set_health

ADA, BEN, CLEO, DORA = "ada@one.example", "ben@two.example", "cleo@two.example", "dora@one.example"
PIA, MAX = "pia@pool.example", "max@pool.example"
NO_MAILS = dict.fromkeys(
    (
        "planned",
        "sent",
        "failed",
        "inbox",
        "elsewhere",
        "spam",
        "missing",
        "rescued",
        "read",
        "replied",
        "bounced",
        "rejected",
    ),
    0,
)


@pytest.fixture
def fleet(site: Site) -> Site:
    """Four senders in two domains and two pool mailboxes: three of the six need a person."""
    for address in (ADA, BEN, CLEO, DORA):
        site.add(address, "warmup", daily_target=20)
    site.add(PIA)
    site.add(MAX)
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL, refreshed_at = now()")
    set_grant(site, CLEO, "needs_reauth", "expired_or_revoked", state_since="now() - interval '3 days'")
    set_grant(site, MAX, "blocked_by_admin", "blocked_by_admin", state_since="now() - interval '5 days'")
    set_grant(site, PIA, "active", refresh_expires_at="now() + interval '3 days'", refreshed_at="now()")
    set_health(site, BEN, "throttled", "spam_much")
    set_health(site, DORA, "blocked", "spam_mostly", band_since="now() - interval '1 day'")
    put_day(
        site, ADA, 0, ramp=10, planned=10, claimed=6, sent=6, inbox=4, elsewhere=1, spam=1, rescued=1, read=5, replied=2
    )
    put_day(site, ADA, 40, ramp=5, planned=5, claimed=5, sent=5, inbox=5)
    put_day(site, BEN, 0, ramp=20, planned=3)
    put_day(site, BEN, 1, ramp=20, planned=20, claimed=20, sent=19, failed=1, inbox=10, spam=6, missing=2, bounced=1)
    return site


def load(op: httpx.Client, **query: str) -> dict[str, Any]:
    answer = op.get(f"{API}/overview", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def counts(of: dict[str, Any]) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {name: of[name] for name in NO_MAILS if of[name]}


def test_the_mails_of_a_period(fleet: Site, op: httpx.Client):
    month = load(op)
    assert counts(month["mails"]) == {
        "planned": 33, "sent": 25, "failed": 1, "inbox": 14, "elsewhere": 1, "spam": 7, "missing": 2, "rescued": 1,
        "read": 5, "replied": 2, "bounced": 1,
    }  # fmt: skip
    assert (month["mails"]["inbox_percent"], month["mails"]["spam_percent"]) == (58.3, 29.2)  # of 24
    assert [counts(day)["planned"] for day in month["by_day"]] == [20, 13]
    today = load(op, period="today")
    assert counts(today["mails"]) == {
        "planned": 13, "sent": 6, "inbox": 4, "elsewhere": 1, "spam": 1, "rescued": 1, "read": 5, "replied": 2,
    }  # fmt: skip
    assert today["by_day"] == month["by_day"]
    quarter = load(op, period="90")
    assert (quarter["mails"]["planned"], quarter["mails"]["inbox"]) == (38, 19)


def test_filters_by_domain_and_kind(fleet: Site, op: httpx.Client):
    two = load(op, domain="@TWO.example")
    assert (two["mailboxes"], two["domain"], two["mails"]["sent"]) == (2, "two.example", 19)
    assert [one["address"] for one in two["needy"]] == [CLEO]
    assert (two["today"]["planned"], two["today"]["sent"], two["pool"]["receivers"]) == (3, 0, 1)
    pool = load(op, kind="pool")
    assert (pool["mailboxes"], counts(pool["mails"]), pool["domains"]) == (2, {}, [])
    assert [one["address"] for one in pool["needy"]] == [MAX]
    assert pool["grants"][-1]["states"]["blocked_by_admin"] == 1
    assert load(op, kind="warmup")["mails"] == load(op)["mails"]
    nobody = load(op, domain="three.example")
    assert (nobody["mailboxes"], counts(nobody["mails"]), nobody["needy"]) == (0, {}, [])


def give_tags(site: Site, **addresses: list[str]) -> None:
    for tag, named in addresses.items():
        site.sql(
            "INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) SELECT id, :tag FROM gmail_warmup.mailbox"
            " WHERE address = ANY (:named)",
            tag=tag,
            named=named,
        )


@pytest.mark.parametrize("period", ["today", "30", "90"])
@pytest.mark.parametrize("domain", ["one.example", "two.example", "pool.example"])
def test_a_tag_of_a_whole_domain_shows_what_the_domain_shows(fleet: Site, op: httpx.Client, domain: str, period: str):
    everybody = (ADA, BEN, CLEO, DORA, PIA, MAX)
    give_tags(fleet, whole=[address for address in everybody if address.endswith(f"@{domain}")])
    by_tag, by_domain = load(op, tag="Whole", period=period), load(op, domain=domain, period=period)
    for name in ("mailboxes", "states", "today", "mails", "by_day", "expiries", "needy", "needy_count", "restricted",
                 "domains", "domain_count"):  # fmt: skip
        assert by_tag[name] == by_domain[name], name
    assert [day["states"] for day in by_tag["grants"]] == [by_tag["states"]]


TAGGED = [
    ({"tag": "sales"}, 3, [MAX, DORA], 5),
    ({"tag": "sales", "domain": "one.example"}, 1, [DORA], 0),
    ({"tag": "sales", "kind": "pool"}, 1, [MAX], 0),
    ({"tag": "sales", "domain": "two.example", "kind": "warmup"}, 1, [], 5),
    ({"tag": "nobody"}, 0, [], 0),
]


@pytest.mark.parametrize(("query", "mailboxes", "needy", "sent"), TAGGED, ids=str)
def test_filters_by_tag(
    fleet: Site, op: httpx.Client, query: dict[str, str], mailboxes: int, needy: list[str], sent: int
):
    give_tags(fleet, sales=[BEN, DORA, MAX], support=[ADA, BEN])
    put_day(fleet, BEN, 2, planned=5, sent=5)
    fleet.sql("UPDATE gmail_warmup.mailbox_day SET sent = 0 WHERE sent = 19")
    found = load(op, **query)
    assert (found["tag"], found["mailboxes"], found["mails"]["sent"]) == (query["tag"], mailboxes, sent)
    assert [one["address"] for one in found["needy"]] == needy
    page = op.get(f"{MOUNT}/", params=query).text
    assert re.findall(r'<a href="mailboxes/([^"]+)"', page) == needy
    assert "No mailboxes yet" not in page
    assert ("No mailbox matches" in page) == (mailboxes == 0)
    assert f"<option selected>{query['tag']}</option>" in page
    assert "Past states of grants are stored by kind and domain" in page
    assert "Grants that do not work, now" in page


def test_the_choice_of_tags_appears_with_the_first_tag(fleet: Site, op: httpx.Client):
    assert 'name="tag"' not in op.get(f"{MOUNT}/").text
    give_tags(fleet, sales=[ADA], north=[BEN])
    page = op.get(f"{MOUNT}/").text
    choice = page.partition('name="tag"')[2].partition("</select>")[0]
    assert re.findall("<option[^>]*>([^<]*)", choice) == ["All tags", "north", "sales"]
    assert "Past states" not in page


def test_a_text_that_cannot_be_a_tag(fleet: Site, op: httpx.Client):
    for text in ("a,b", "x" * 60, "\x00"):
        assert "No mailbox matches" in op.get(f"{MOUNT}/", params={"tag": text}).text
        assert op.get(f"{API}/overview", params={"tag": text}).status_code == 422


def test_who_needs_a_person_the_oldest_first(fleet: Site, op: httpx.Client):
    fleet.sql(
        "INSERT INTO gmail_warmup.mailbox_failure (mailbox_id, since, not_working_at, reason, detail) SELECT id,"
        " now() - interval '9 hours', now() - interval '3 hours', 'not_found', 'Gmail answered 404.'"
        " FROM gmail_warmup.mailbox WHERE address = :address",
        address=ADA,
    )
    found = load(op)
    assert [(one["address"], one["cause"], one["label"], one["can_reauthenticate"]) for one in found["needy"]] == [
        (MAX, "grant", "Blocked by admin", False),
        (CLEO, "grant", "Needs re-authentication", True),
        (DORA, "health", "Blocked by health", False),
        (ADA, "not_working", "Not working", False),
    ]
    assert (found["needy_count"], found["restricted"]) == (4, 2)
    page = html.unescape(op.get(f"{MOUNT}/").text)
    assert "4 mailboxes need a person" in page
    assert REASONS["expired_or_revoked"].message in page
    assert "Gmail answered 404." in page
    assert page.count("data-reauth=") == 1
    assert f'data-reauth="{CLEO}"' in page


def test_today_the_pool_and_the_kill_switch(fleet: Site, op: httpx.Client):
    fleet.sql(
        "INSERT INTO gmail_warmup.mailbox_readiness (mailbox_id, state, reason, local_date, cold_mails) SELECT id,"
        " CASE WHEN address ~ 'ada' THEN 'ready' ELSE 'resting' END, 'x', current_date,"
        " CASE WHEN address ~ 'ada' THEN 12 ELSE 0 END FROM gmail_warmup.mailbox WHERE kind = 'warmup'"
    )
    found = load(op)
    assert {name: found["today"][name] for name in ("planned", "sent", "remaining", "cold_mails")} == {
        "planned": 13, "sent": 6, "remaining": 7, "cold_mails": 12,
    }  # fmt: skip
    assert found["today"]["readiness"] == {"ready": 1, "warming": 0, "resting": 3, "not_ready": 0}
    assert load(op, domain="two.example")["today"]["cold_mails"] == 0
    page = " ".join(op.get(f"{MOUNT}/").text.split())
    assert '<span class="big">12</span> cold mails may be sent today' in page
    assert "1 ready mailbox</a>. Resting: 3." in page
    # Ada sends 10, and a pool mailbox takes 2 of one sender a day; later each of three senders sends 20.
    pool = {name: found["pool"][name] for name in ("receivers", "needed", "missing", "needed_later", "missing_later")}
    assert pool == {"receivers": 1, "needed": 5, "missing": 4, "needed_later": 10, "missing_later": 9}
    op.post(f"{API}/halt", json={"reason": "a test"})
    stopped = load(op)["today"]
    assert (stopped["sent"], stopped["remaining"], stopped["cold_mails"]) == (6, 0, 0)
    page = op.get(f"{MOUNT}/").text
    assert ("No warmup mail is sent either" in page, "not sent yet" in page) == (True, False)


def test_the_page_distinguishes_the_whole_plan_of_today_from_that_of_the_mailboxes_that_have_begun(
    fleet: Site, op: httpx.Client
):
    fleet.add("eve@one.example", "warmup", daily_target=20)
    fleet.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL WHERE state = 'needs_reauth'")
    fleet.sql("UPDATE gmail_warmup.mailbox SET sending_days = 'mon,tue,wed,thu,fri,sat,sun'")
    found = load(op, period="today")
    assert (found["today"]["planned"], found["mails"]["planned"]) == (23, 13)
    texts = {period: " ".join(strip_tags(op.get(f"{MOUNT}/", params={"period": period}).text).split())
             for period in ("today", "30")}  # fmt: skip
    for period, label in (("today", "Planned so far 13"), ("30", "Planned 33")):
        assert "17 planned warmup mails are not sent yet Planned 23 Sent 6" in texts[period]
        assert f"Mails, {'today' if period == 'today' else '30 days'} {label} Sent" in texts[period]


def strip_tags(page: str) -> str:
    return re.sub("<[^>]+>", " ", page)


def test_stored_volumes_are_shown_until_they_are_old(fleet: Site, op: httpx.Client):
    stored = "INSERT INTO gmail_warmup.domain_volume VALUES ('one.example', {}, 1, 7, 100, 9, 200, 10, 3, 4, 5, 6, 30)"
    fleet.sql(stored.format("now() - interval '10 minutes'"))
    found = load(op)
    assert (found["today"]["planned"], found["pool"]["receivers"], found["pool"]["needed"]) == (100, 7, 5)
    assert found["today"]["readiness"] == {"ready": 3, "warming": 4, "resting": 5, "not_ready": 6}
    assert found["today"]["cold_mails"] == load(op, domain="one.example")["today"]["cold_mails"] == 30
    assert load(op, domain="two.example")["today"]["cold_mails"] == 0
    age = domain_volumes.MAX_AGE.total_seconds() + 1
    fleet.sql(f"UPDATE gmail_warmup.domain_volume SET counted_at = now() - {age} * interval '1 second'")
    assert load(op)["today"]["planned"] == 13


def test_domains_with_placement_authentication_and_health(fleet: Site, op: httpx.Client):
    close(fleet, "two.example")
    two, one = load(op)["domains"]
    assert (two["domain"], two["sent"], two["inbox_percent"], two["spam_percent"], two["bounced"]) == (
        "two.example", 19, 55.6, 33.3, 1,
    )  # fmt: skip
    assert (two["band"], two["band_label"], two["restricted"]) == ("throttled", "Throttled", 1)
    assert two["records"]["dmarc"] == "bad"
    assert (one["domain"], one["band"], one["records"]) == ("one.example", "blocked", {})


def test_states_over_time_and_the_calendar(fleet: Site, op: httpx.Client):
    fleet.sql(
        "INSERT INTO gmail_warmup.grant_day (domain, day, kind, state, mailboxes) VALUES"
        " ('', current_date - 2, 'warmup', 'active', 4), ('', current_date - 2, 'pool', 'active', 1),"
        " ('', current_date - 2, 'pool', 'suspect', 1), ('pool.example', current_date - 2, 'pool', 'suspect', 1),"
        " ('', current_date - 60, 'pool', 'active', 2)"
    )
    found = load(op)
    past, now = found["grants"]
    assert {state: number for state, number in past["states"].items() if number} == {"active": 5, "suspect": 1}
    assert {state: number for state, number in now["states"].items() if number} == {
        "active": 4, "needs_reauth": 1, "blocked_by_admin": 1,
    }  # fmt: skip
    assert now["states"] == found["states"]
    assert len(load(op, period="90")["grants"]) == 3
    assert load(op, domain="pool.example")["grants"][0]["states"]["active"] == 0
    expiries = found["expiries"]
    assert len(expiries) == 28
    assert [(day, one["mailboxes"], one["addresses"]) for day, one in enumerate(expiries) if one["mailboxes"]] == [
        (3, 1, [PIA])
    ]


def test_the_last_audits_newest_first(fleet: Site, op: httpx.Client):
    fleet.sql(
        "INSERT INTO gmail_warmup.audit (run_id, actor, started_at, finished_at, healthy, report) VALUES"
        " ('a', 'x', now() - interval '25 hours', now() - interval '24 hours', 6,"
        ' \'{"app_error": "deleted_client"}\'),'
        " ('b', 'x', now() - interval '70 minutes', now() - interval '1 hour', 6,"
        ' \'{"mailboxes": 6, "valid": 3, "refreshed": 1, "needs_reauth": 1, "blocked": 1, "suspect": "many"}\'),'
        " ('c', 'x', now(), NULL, 6, NULL)"
    )
    newest, oldest = load(op)["audits"]
    names = ("seconds", "mailboxes", "valid", "flagged", "suspect")
    assert [newest[name] for name in names] == [600.0, 6, 4, 2, 0]
    assert [oldest[name] for name in names] == [3600.0, 0, 0, 0, 0]
    assert (newest["sentence"], oldest["sentence"]) == ("", "The OAuth client is deleted.")
    page = op.get(f"{MOUNT}/").text
    assert "The OAuth client is deleted." in page
    assert "deleted_client" not in page


def test_the_checks(fleet: Site, op: httpx.Client):
    tones = {check["name"]: check["tone"] for check in load(op)["checks"]}
    assert tones == {
        "Sending": "good", "Grants": "bad", "Health": "warn", "Domains": "good", "Pool": "bad", "Backlog": "good",
        "Audit": "warn", "DAG runs": "warn",
    }  # fmt: skip
    assert "Something needs you" in op.get(f"{MOUNT}/").text
    close(fleet, "two.example")
    op.post(f"{API}/halt", json={"reason": "a test"})
    fleet.sql("UPDATE gmail_warmup.mailbox SET next_send_at = now() - interval '2 hours', timezone = 'UTC'")
    tones = {check["name"]: check["tone"] for check in load(op)["checks"]}
    assert (tones["Sending"], tones["Domains"]) == ("bad", "bad")


def test_everything_works_when_nothing_is_wrong(site: Site, op: httpx.Client):
    site.add(PIA)
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL, refreshed_at = now()")
    page = op.get(f"{MOUNT}/").text
    assert "Everything works" in page
    assert "0 mailboxes need a person" in page


def test_runs_of_the_dags(fleet: Site, op: httpx.Client):
    fleet.sql("TRUNCATE public.dag_run CASCADE")
    run = (
        "INSERT INTO public.dag_run (dag_id, run_id, run_type, run_after, logical_date, start_date, end_date, state)"
        " VALUES ('gmail_warmup', :id, 'scheduled', now() - {ago}, now() - {ago}, now() - {ago},"
        " now() - {ago} + interval '40 seconds', :state)"
    )
    for number, (state, hours) in enumerate((("success", 1), ("failed", 2), ("success", 48), ("running", 0))):
        fleet.sql(run.format(ago=f"interval '{hours} hours'"), id=f"r{number}", state=state)
    month, today = (load(op, period=period)["dags"][0] for period in ("30", "today"))
    assert (month["dag_id"], month["runs"], month["failed_runs"], month["last_failed"]) == ("gmail_warmup", 3, 1, False)
    assert (month["median_seconds"], today["runs"], today["failed_runs"]) == (40.0, 2, 1)
    fleet.sql("TRUNCATE public.dag_run CASCADE")


def test_only_who_may_see_the_dags_sees_their_runs(site: Site):
    site.add(PIA)
    with site.browser("op") as op:
        assert [dag["dag_id"] for dag in load(op)["dags"]] == ["gmail_warmup", "gmail_token_health", "gmail_monitor"]


@pytest.mark.parametrize("query", ["period=year&kind=alien&domain=%00", "domain=<script>", "period=today&kind=pool"])
def test_an_unknown_filter_is_ignored_by_the_page(fleet: Site, op: httpx.Client, query: str):
    answer = op.get(f"{MOUNT}/?{query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text


def test_every_chart_has_a_table(fleet: Site, op: httpx.Client):
    page = op.get(f"{MOUNT}/?period=90").text
    assert page.count("<canvas") == 4
    for name in ("volume", "placements", "answers", "grants"):
        assert f'data-table="{name}-table"' in page
        table = page.split(f'id="{name}-table"')[1].split("</table>")[0]
        assert table.count("<tr>") == 1 + (1 if name == "grants" else 3)
    assert op.get(f"{MOUNT}/?kind=pool").text.count("<canvas") == 1

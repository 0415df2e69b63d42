"""The weekly report: numbers of one week, those of the week before, for all mailboxes, a domain or a tag."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import Any

import pytest

from gmail_warmup.core.enums import GrantState
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.mailboxes.tags import set_tags
from gmail_warmup.warmup.reporting.domain_days import merge_domain_days
from gmail_warmup.warmup.reporting.weekly import figures
from gmail_warmup.warmup.reporting.weekly.report import (
    Figure,
    WeeklyReport,
    format_report,
    load_weekly_report,
    write_report_csv,
)
from gmail_warmup.warmup.reporting.weekly.scope import build_scope, find_week, parse_scope, start_of_week
from support.world import World

ADA, BOB, EVE = "ada@one.example", "bob@two.example", "eve@two.example"
_TODAY = "(now() AT TIME ZONE 'UTC')::date"


@pytest.fixture
def fleet(world: World) -> World:
    """Return three senders; each has sent on every day of the last three weeks, half as much in the second last."""
    for address in (ADA, BOB, EVE):
        world.add(address, kind="warmup")
    with write_transaction(world.store.engine) as connection:
        set_tags(connection, {2: ["sales"], 3: ["sales"]})
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, claimed, sent, inbox, spam, missing,"
        " replied, bounced) SELECT m.id, day::date, 10, 10, CASE WHEN week = 1 THEN 8 ELSE 4 END,"
        " CASE WHEN week = 1 THEN 6 ELSE 3 END, 1, CASE WHEN week = 1 THEN 1 ELSE 0 END, 2, 1"
        f" FROM gmail_warmup.mailbox m, (SELECT date_trunc('week', {_TODAY}::timestamp) AS monday) w,"
        " generate_series(1, 3) week, generate_series(0, 6) n, LATERAL (SELECT monday - week * 7 * interval '1 day'"
        " + n * interval '1 day' AS day) d"
    )
    world.sql(
        "INSERT INTO gmail_warmup.grant_day (domain, day, kind, state, mailboxes) SELECT domain,"
        f" date_trunc('week', {_TODAY}::timestamp)::date - n, 'warmup', state, mailboxes FROM (VALUES"
        " ('', 1, 'active', 2), ('', 1, 'needs_reauth', 1), ('', 3, 'active', 9), ('', 8, 'active', 3),"
        " ('two.example', 1, 'active', 1)) v (domain, n, state, mailboxes)"
    )
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth' WHERE mailbox_id = 2")
    return world


def load(world: World, *, week: date | None = None, **scope: str) -> WeeklyReport:
    with read_transaction(world.store.engine, snapshot=True) as connection:
        return load_weekly_report(connection, build_scope(**scope), week=week)


def numbers(listed: list[Figure]) -> dict[str, tuple[int, int | None]]:
    return {figure.code: (figure.number, figure.before) for figure in listed}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(
    ("scope", "senders"), [({}, 3), ({"domain": "two.example"}, 2), ({"domain": "@TWO.example "}, 2),
                           ({"tag": "Sales"}, 2), ({"tag": "none"}, 0), ({"domain": "none.example"}, 0)],
)  # fmt: skip
def test_mails_of_the_last_week_and_of_the_one_before(fleet: World, scope: dict[str, str], senders: int, merged: bool):
    if merged:
        with write_transaction(fleet.store.engine) as connection:
            merge_domain_days(connection)
    report = load(fleet, **scope)
    found = numbers(report.mails)
    assert found["sent"] == (56 * senders, 28 * senders)
    assert found["spam"] == (7 * senders, 7 * senders)
    assert found["missing"] == (7 * senders, 0)
    assert (found["replied"], found["bounced"]) == ((14 * senders, 14 * senders), (7 * senders, 7 * senders))
    inbox = next(figure for figure in report.mails if figure.code == "inbox")
    assert (inbox.percent, inbox.percent_before) == ((75.0, 75.0) if senders else (None, None))
    assert report.is_complete


def test_domains_of_the_fleet_largest_first(fleet: World):
    report = load(fleet)
    assert [(each.domain, each.mails["sent"], each.before and each.before["sent"]) for each in report.domains] == [
        ("two.example", 112, 56),
        ("one.example", 56, 28),
    ]
    assert load(fleet, domain="two.example").domains == []


def test_a_domain_that_is_shown_has_its_week_before_also_if_it_was_small(fleet: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "DOMAINS_SHOWN", 1)
    fleet.sql(
        "UPDATE gmail_warmup.mailbox_day SET sent = 50 WHERE mailbox_id = 1"
        f" AND local_date < date_trunc('week', {_TODAY}::timestamp) - interval '7 days'"
    )
    (shown,) = load(fleet).domains
    assert (shown.domain, shown.before and shown.before["sent"]) == ("two.example", 56)


def test_grants_are_those_of_the_last_audit_of_each_week(fleet: World):
    found = numbers(load(fleet).grants)
    assert found[GrantState.ACTIVE] == (2, 3)
    assert found[GrantState.NEEDS_REAUTH] == (1, 0)
    assert numbers(load(fleet, domain="two.example").grants)[GrantState.ACTIVE] == (1, None)
    by_tag = load(fleet, tag="sales")
    assert (numbers(by_tag.grants)[GrantState.ACTIVE], by_tag.grants_day) == ((1, None), "now")


@pytest.mark.parametrize(("scope", "flagged"), [({}, 1), ({"tag": "sales"}, 1), ({"domain": "one.example"}, 0)])
def test_what_needs_a_person_now(fleet: World, scope: dict[str, str], flagged: int):
    assert numbers(load(fleet, **scope).needs_person)["flagged"] == (flagged, None)


def test_what_is_ready_now(fleet: World):
    fleet.sql(
        "INSERT INTO gmail_warmup.mailbox_readiness (mailbox_id, state, reason, local_date, cold_mails)"
        " VALUES (1, 'ready', 'ready', current_date, 4), (2, 'warming', 'ramp', current_date, 0)"
    )
    assert numbers(load(fleet).readiness)["ready"] == (1, None)
    assert numbers(load(fleet).readiness)["cold_mails"] == (4, None)
    assert numbers(load(fleet, domain="two.example").readiness)["warming"] == (1, None)


def test_the_ledger_is_not_read(fleet: World):
    before = load(fleet)
    fleet.sql("ALTER TABLE gmail_warmup.ledger RENAME TO hidden")
    try:
        assert load(fleet) == before
    finally:
        fleet.sql("ALTER TABLE gmail_warmup.hidden RENAME TO ledger")


def test_no_address_is_in_any_form_of_the_report(fleet: World):
    for report in (load(fleet), load(fleet, tag="sales"), load(fleet, domain="two.example")):
        assert "@" not in write_report_csv(report) + format_report(report) + str(report)


def test_the_csv_has_the_same_numbers(fleet: World):
    rows = list(csv.DictReader(write_report_csv(load(fleet)).splitlines()))
    sent = [row for row in rows if row["name"] == "sent"]
    assert [(row["section"], row["number"], row["week_before"]) for row in sent] == [
        ("mails", "168", "84"),
        ("domain two.example", "112", "56"),
        ("domain one.example", "56", "28"),
    ]


def test_the_text_has_the_same_numbers(fleet: World):
    text = format_report(load(fleet))
    assert "Sent: 168, the week before 84" in text
    assert "Inbox: 126 (75.0 %), the week before 63 (75.0 %)" in text
    assert "two.example: 112 sent, 12.5 % spam" in text


@pytest.mark.parametrize(
    ("day", "today", "monday"),
    [
        (None, date(2026, 11, 30), date(2026, 11, 23)),
        (None, date(2026, 11, 29), date(2026, 11, 16)),
        (date(2026, 11, 29), date(2026, 11, 30), date(2026, 11, 23)),
        (date(2027, 1, 1), date(2027, 2, 1), date(2026, 12, 28)),
        (date(2026, 12, 6), date(2026, 11, 30), date(2026, 11, 30)),
    ],
)
def test_which_week(day: date | None, today: date, monday: date):
    assert find_week(day, today=today) == monday


def test_a_week_of_the_future_is_refused(fleet: World):
    with pytest.raises(InvalidInputError, match="has not begun"):
        load(fleet, week=date(2900, 1, 1))
    assert not load(fleet, week=start_of_week(load(fleet).end + timedelta(days=1))).is_complete


@pytest.mark.parametrize(
    "scope", [{"domain": "a.example", "tag": "b"}, {"tag": "x" * 200}, {"tag": "a,b"}, {"tag": "a\u200bb"}]
)
def test_a_wrong_scope_is_refused(scope: dict[str, str]):
    with pytest.raises(InvalidInputError):
        build_scope(**scope)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("fleet", "all mailboxes"), (" domain: A.example", "domain a.example"), ("tag:Big Sales", "tag big sales")],
)
def test_scopes_of_the_option(text: str, shown: str):
    assert str(parse_scope(text)) == shown


@pytest.mark.parametrize("text", ["", "fleet:x", "domain:", "address:x", "x"])
def test_a_wrong_scope_of_the_option(text: str):
    with pytest.raises(ValueError, match="must list"):
        parse_scope(text)


def test_titles_name_the_days(fleet: World):
    def title(week: date) -> str:
        found: Any = load(fleet, week=week)
        return str(found.title)

    assert title(date(2026, 9, 29)) == "Weekly report, 28 September to 4 October 2026: all mailboxes"
    assert title(date(2026, 1, 1)) == "Weekly report, 29 December 2025 to 4 January 2026: all mailboxes"
    assert title(date(2026, 11, 3)) == "Weekly report, 2 to 8 November 2026: all mailboxes"

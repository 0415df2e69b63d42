"""What became of one mailbox: days, history and mails, as the API tells it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from gmail_warmup.warmup.ledger import history
from web.kit import API, MOUNT, Site

ADA, POOL = "ada@example.com", "pool@example.com"
ODD = "o'x/y+z&w=1@example.com"


def ask(op: httpx.Client, address: str, what: str, **params: Any) -> Any:
    answer = op.get(f"{API}/mailboxes/{quote(address, safe='')}/{what}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def put_day(site: Site, address: str, day: str, **counts: int) -> None:
    """Write a sender's counts of one day."""
    names, values = ", ".join(counts), ", ".join(str(value) for value in counts.values())
    site.sql(
        f"INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, {names}) SELECT id, :day, {values} "
        "FROM gmail_warmup.mailbox WHERE address = :address",
        address=address,
        day=day,
    )


def put_mail(site: Site, sender: str, recipient: str, **values: Any) -> int:
    """Write one mail into the ledger; it was sent an hour ago unless told otherwise."""
    row = {
        "token": f"{site.sql('SELECT count(*) FROM gmail_warmup.ledger')[0]['count']:032x}",
        "subject": "Lunch?",
        "local_date": "2026-11-24",
        "slot": site.sql("SELECT count(*) FROM gmail_warmup.ledger")[0]["count"],
        "due_at": "2026-11-24 09:00+00",
        "claimed_at": "2026-11-24 09:00+00",
        "sent_at": "2026-11-24 09:00+00",
        "status": "sent",
    } | values
    names = ", ".join(row)
    if row.get("parent_id") is None:
        site.plan(sender, day=f"date '{row['local_date']}'")
    found = site.sql(
        f"INSERT INTO gmail_warmup.ledger (sender_id, recipient_id, {names}) SELECT s.id, r.id, "
        f"{', '.join(f':{name}' for name in row)} FROM gmail_warmup.mailbox s, gmail_warmup.mailbox r "
        "WHERE s.address = :sender AND r.address = :recipient RETURNING id",
        sender=sender,
        recipient=recipient,
        **row,
    )
    return int(found[0]["id"])


def today(zone: str) -> date:
    return datetime.now(ZoneInfo(zone)).date()


@pytest.fixture
def pair(site: Site) -> Site:
    """One sender and one recipient."""
    site.add(ADA, "warmup")
    site.add(POOL, "pool")
    return site


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_days_are_the_mailboxs_own_and_none_is_left_out(site: Site, op: httpx.Client, zone: str):
    site.add(ADA, "warmup", timezone=zone)
    now = today(zone)
    put_day(site, ADA, str(now), planned=9, sent=4, inbox=2, spam=1)
    put_day(site, ADA, str(now - timedelta(days=29)), planned=5, sent=5)
    put_day(site, ADA, str(now - timedelta(days=30)), planned=5, sent=5)
    found = ask(op, ADA, "days")
    assert (found["kind"], found["timezone"]) == ("warmup", zone)
    assert [day["date"] for day in found["days"]] == [str(now - timedelta(days=back)) for back in range(29, -1, -1)]
    assert [day["sent"] for day in found["days"]] == [5] + [0] * 28 + [4]
    last = found["days"][-1]
    assert (last["planned"], last["inbox"], last["spam"], last["missing"], last["received"]) == (9, 2, 1, 0, 0)


def test_a_pool_mailbox_shows_what_it_received_on_its_own_days(site: Site, op: httpx.Client):
    zone = "Pacific/Kiritimati"  # fourteen hours ahead of UTC
    site.add(ADA, "warmup")
    site.add(POOL, "pool", timezone=zone)
    midnight = datetime.combine(today(zone), datetime.min.time(), ZoneInfo(zone))
    for minutes, placement in ((-1, "spam"), (0, "inbox"), (1, "promotions"), (2, "missing"), (3, None)):
        at = midnight + timedelta(minutes=minutes)
        put_mail(site, ADA, POOL, sent_at=at, claimed_at=at, placement=placement,
                 rescued_at=at if placement == "spam" else None)  # fmt: skip
    first = put_mail(site, ADA, POOL, sent_at=None, claimed_at=midnight, status="claimed")
    answer = put_mail(site, POOL, ADA, parent_id=first, slot=None)
    put_mail(site, ADA, POOL, parent_id=answer, slot=None, sent_at=midnight, claimed_at=midnight)
    before, last = ask(op, POOL, "days")["days"][-2:]
    assert (before["received"], before["spam"], before["rescued"]) == (1, 1, 1)
    assert (last["received"], last["inbox"], last["elsewhere"], last["missing"], last["spam"]) == (4, 1, 1, 1, 0)
    assert (last["planned"], last["sent"]) == (0, 0)


@pytest.mark.parametrize("count", [1, 7, 366])
def test_as_many_days_as_asked_for(pair: Site, op: httpx.Client, count: int):
    assert len(ask(op, ADA, "days", days=count)["days"]) == count


def test_history_is_told_in_words_the_newest_first(pair: Site, op: httpx.Client):
    pair.sql(
        "INSERT INTO gmail_warmup.grant_event (mailbox_id, at, actor, from_state, to_state, reason, dag_id, run_id) "
        "SELECT id, now() + interval '1 s', 'dag:gmail_token_health', 'active', 'needs_reauth', 'expired_or_revoked', "
        "'gmail_token_health', 'scheduled__1' FROM gmail_warmup.mailbox WHERE address = :address",
        address=ADA,
    )
    found = ask(op, ADA, "history")
    assert found["next_before"] is None
    newest, first = found["history"]
    assert (newest["from_state"], newest["to_state"]) == ("active", "needs_reauth")
    assert "expired or revoked" in newest["sentence"]
    assert (newest["actor"], newest["run_id"]) == ("dag:gmail_token_health", "scheduled__1")
    assert (first["from_state"], first["to_state"], first["reason"]) == (None, "needs_reauth", "never_granted")


def walk(op: httpx.Client, address: str, what: str, key: str) -> list[list[int]]:
    pages, before = [], None
    while True:
        found = ask(op, address, what, **({"before": before} if before else {}))
        pages.append([row["id"] for row in found[key]])
        before = found["next_before"]
        if before is None:
            return pages


def test_paging_shows_each_transition_and_each_mail_once(pair: Site, op: httpx.Client):
    # Many at one moment: only their numbers tell them apart.
    pair.sql(
        "INSERT INTO gmail_warmup.grant_event (mailbox_id, at, actor, to_state) SELECT id, "
        "timestamptz '2026-01-01 00:00Z' + (n / 15) * interval '1 day', 't', 'active' "
        "FROM gmail_warmup.mailbox, generate_series(0, 43) n"
    )
    for address in (ADA, POOL):
        pair.plan(address, day="date '2026-11-24'", mails=65)
    pair.sql(
        "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, claimed_at, "
        "subject) SELECT n::text, CASE n % 2 WHEN 0 THEN a.id ELSE p.id END, CASE n % 2 WHEN 0 THEN p.id ELSE a.id "
        "END, '2026-11-24', n, now(), timestamptz '2026-01-01 00:00Z' + (n / 70) * interval '1 day', 's' "
        "FROM gmail_warmup.mailbox a, gmail_warmup.mailbox p, generate_series(0, 129) n "
        "WHERE a.address = :ada AND p.address = :pool",
        ada=ADA,
        pool=POOL,
    )
    events = walk(op, ADA, "history", "history")
    assert [len(page) for page in events] == [10, 10, 10, 10, 5]
    mails = walk(op, ADA, "mails", "mails")
    assert [len(page) for page in mails] == [50, 50, 30]
    for pages in (events, mails):
        flat = [one for page in pages for one in page]
        assert len(set(flat)) == len(flat)
    assert [one for page in mails for one in page] == list(range(130, 0, -1))


@pytest.mark.parametrize("waiting", [0, 1], ids=["all of them", "two of three"])
def test_mails_that_left_the_ledger_are_shown_in_their_place(pair: Site, op: httpx.Client, waiting: int):
    pair.plan(ADA, day="date '2026-01-01'", mails=130)
    pair.sql(
        "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, claimed_at,"
        " sent_at, status, placement, subject, read_due_at) SELECT n::text, a.id, p.id, '2026-01-01', n, at, at, at,"
        " 'sent', 'inbox', 's', CASE WHEN n % 3 < :waiting THEN now() END"
        " FROM gmail_warmup.mailbox a, gmail_warmup.mailbox p, generate_series(0, 129) n,"
        " LATERAL (SELECT now() - n / 2 * interval '1 day' AS at) t WHERE a.address = :ada AND p.address = :pool",
        ada=ADA,
        pool=POOL,
        waiting=waiting,
    )
    before = walk(op, ADA, "mails", "mails"), walk(op, POOL, "mails", "mails"), ask(op, POOL, "days", days=60)
    assert [len(page) for page in before[0]] == [50, 50, 30]
    with pair.engine.begin() as connection:
        history.move_mails(connection, after=0, until=datetime.now(UTC) - timedelta(days=45))
    assert 0 < pair.sql("SELECT count(*) FROM gmail_warmup.ledger_history")[0]["count"] < 130
    assert before == (walk(op, ADA, "mails", "mails"), walk(op, POOL, "mails", "mails"), ask(op, POOL, "days", days=60))


def test_mails_are_seen_from_the_mailbox(pair: Site, op: httpx.Client):
    first = put_mail(pair, ADA, POOL, placement="spam", rescued_at="2026-11-24 10:00+00", subject="<b>Hi</b>")
    put_mail(pair, POOL, ADA, parent_id=first, slot=None, claimed_at="2026-11-24 11:00+00")
    pair.add("other@example.com", "warmup")
    put_mail(pair, "other@example.com", POOL)
    answer, mail = ask(op, ADA, "mails")["mails"]
    assert (answer["direction"], answer["partner"], answer["is_reply"]) == ("received", POOL, True)
    assert (mail["direction"], mail["partner"], mail["is_reply"], mail["placement"]) == ("sent", POOL, False, "spam")
    assert mail["subject"] == "<b>Hi</b>"
    assert mail["rescued_at"].startswith("2026-11-24T10:00:00")
    assert len(ask(op, POOL, "mails")["mails"]) == 3


def test_why_a_mail_was_not_delivered_is_shown(pair: Site, op: httpx.Client):
    text = "550 5.7.26 This mail is <b>unauthenticated</b>."
    bounce = {"bounce_kind": "rejected", "bounce_status": "5.7.26", "bounce_text": text}
    put_mail(pair, ADA, POOL, status="sent", bounced_at="2026-11-24 10:00+00", **bounce)
    (mail,) = ask(op, ADA, "mails")["mails"]
    assert {name: mail[name] for name in bounce} == bounce
    page = op.get(f"{MOUNT}/mailboxes/{ADA}").text
    shown = page[page.index('id="mails"') :]
    assert ">Rejected</span>" in shown
    assert "550 5.7.26 This mail is &lt;b&gt;unauthenticated&lt;/b&gt;." in shown


@pytest.mark.parametrize("what", ["days", "history", "mails"])
def test_odd_addresses_are_addresses(site: Site, op: httpx.Client, what: str):
    assert op.post(f"{API}/mailboxes", json={"address": ODD, "settings": {"kind": "warmup"}}).status_code == 200
    assert ask(op, ODD, what)
    assert ask(op, ODD.upper(), what)
    assert op.get(f"{API}/mailboxes/{ODD}/{what}").status_code == 200  # a slash as it is
    assert op.get(f"{API}/mailboxes/{quote(ODD, safe='')}").json()["address"] == ODD


@pytest.mark.parametrize("what", ["days", "history", "mails"])
@pytest.mark.parametrize("address", ["nobody@example.com", "' OR 1=1 --", "%00", "%ff", "<script>", "x" * 3000])
def test_an_unknown_address_is_said_to_be_one(pair: Site, op: httpx.Client, what: str, address: str):
    answer = op.get(f"{API}/mailboxes/{address}/{what}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:gmail-warmup:problem:unknown-mailbox"


@pytest.mark.parametrize(
    ("what", "params", "field"),
    [
        ("days", {"days": 0}, "days"),
        ("days", {"days": 367}, "days"),
        ("days", {"days": "many"}, "days"),
        ("history", {"before": 0}, "before"),
        ("history", {"before": 2**63}, "before"),
        ("mails", {"before": "1; DROP TABLE x"}, "before"),
        ("mails", {"before": -1}, "before"),
    ],
)
def test_a_wrong_query_names_its_field(pair: Site, op: httpx.Client, what: str, params: dict[str, Any], field: str):
    answer = op.get(f"{API}/mailboxes/{ADA}/{what}", params=params)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("what", ["history", "mails"])
def test_nothing_is_older_than_what_is_not_the_mailboxs_own(pair: Site, op: httpx.Client, what: str):
    pair.add("other@example.com", "warmup")
    put_mail(pair, ADA, POOL)
    foreign = put_mail(pair, "other@example.com", POOL)
    before = {"mails": foreign, "history": pair.sql("SELECT max(id) AS id FROM gmail_warmup.grant_event")[0]["id"]}
    found = ask(op, ADA, what, before=before[what])
    assert found == {what: [], "next_before": None}

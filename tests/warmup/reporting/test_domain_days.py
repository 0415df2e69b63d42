"""The sums by domain are the daily counts and the ledger counted again, whatever happened in which order."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.db.models import DomainDay
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.reporting import domain_days
from gmail_warmup.warmup.reporting.domain_days import SUMMED_COLUMNS, merge_domain_days

_SUMS = ", ".join(f"sum({name})" for name in SUMMED_COLUMNS)
_STORED = f"SELECT domain, local_date, {_SUMS} FROM gmail_warmup.domain_day WHERE domain IS NOT NULL GROUP BY 1, 2"
_COUNTED = (
    f"SELECT domain, local_date, {', '.join(f'sum(d.{name})' for name in SUMMED_COLUMNS)}"
    " FROM gmail_warmup.mailbox_day d JOIN gmail_warmup.mailbox m ON d.mailbox_id = m.id GROUP BY 1, 2"
)
_IN_THE_LEDGER = """
SELECT domain, local_date, count(*), count(*) FILTER (WHERE status = 'sent'),
    count(*) FILTER (WHERE placement = 'inbox'), count(*) FILTER (WHERE placement = 'spam'),
    count(*) FILTER (WHERE placement = 'missing'), count(replied_at), count(bounced_at)
FROM gmail_warmup.ledger l JOIN gmail_warmup.mailbox m ON m.id = l.sender_id GROUP BY 1, 2
"""
_SAME_SUMS = (
    "SELECT domain, local_date, sum(claimed), sum(sent), sum(inbox), sum(spam), sum(missing), sum(replied),"
    " sum(bounced) FROM gmail_warmup.domain_day WHERE domain IS NOT NULL GROUP BY 1, 2"
)
_OF_ALL_DOMAINS = (
    f"SELECT 'all', local_date, {_SUMS} FROM gmail_warmup.domain_day WHERE domain IS NULL OR timezone <> '' GROUP BY 2"
)
_ALL_COUNTED = f"SELECT 'all', local_date, {_SUMS} FROM gmail_warmup.mailbox_day GROUP BY 2"


def rows(engine: sa.Engine, query: str, *, keep_empty: bool = False) -> list[tuple[Any, ...]]:
    """Return the rows of a query of sums by domain and date; without those whose sums are all 0."""
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    return sorted(row for row in found if keep_empty or any(row[2:]))


class Fleet:
    """Senders in different domains and time zones whose mails have random fates."""

    def __init__(self, engine: sa.Engine, seed: int) -> None:
        self.engine, self.random = engine, random.Random(seed)
        self.today = datetime.now(UTC).date()
        self.open: list[ledger.Entry] = []
        places = [(f"s{n}@d{n % 3}.example", zone) for n, zone in enumerate(["UTC", "Asia/Tokyo", "Pacific/Apia"] * 2)]
        with engine.begin() as connection:
            add = sa.text(
                "INSERT INTO gmail_warmup.mailbox (address, kind, timezone, created_by)"
                " VALUES (:address, :kind, :zone, 'test') RETURNING id"
            )
            self.senders = [
                connection.execute(add, {"address": address, "kind": "warmup", "zone": zone}).scalar_one()
                for address, zone in places
            ]
            pool = {"address": "pool@p.example", "kind": "pool", "zone": "UTC"}
            self.pool = connection.execute(add, pool).scalar_one()

    def happen(self) -> None:
        """Let one thing happen."""
        steps = (
            [self.claim] * 4 + [self.send] * 4 + [self.place] * 4 + [self.correct, self.merge, self.move, self.lower]
        )
        self.random.choice(steps)()

    def claim(self) -> None:
        sender, day = self.random.choice(self.senders), self.today - timedelta(days=self.random.choice((0, 1, 2, 45)))
        with self.engine.connect() as connection:
            daily_counters.fix_daily_volume(connection, sender, day, ramp=1000, planned=1000, reduction_reason=None)
            entry = ledger.claim_entry(
                connection, token=ledger.generate_token(), sender_id=sender, recipient_id=self.pool, local_date=day,
                slot=self.random.randrange(10**4), due_at=datetime.now(UTC), subject="Notes",
            )  # fmt: skip
            if self.random.random() < 0.2:
                return  # rolled back: nothing of it counts
            connection.commit()
        if entry is not None:
            self.open.append(entry)

    def send(self) -> None:
        self._end("claimed", {"status": "sent", "sent_at": datetime.now(UTC)}, Outcome.SENT)

    def place(self) -> None:
        """Place a mail, perhaps one of weeks ago; a placed mail may be answered, a missing one bounces."""
        place = self.random.choice(("inbox", "spam", "missing"))
        entry = self._end("sent", {"placement": place}, Outcome(place))
        if entry is not None:
            column, outcome = ("bounced_at", Outcome.BOUNCED) if place == "missing" else ("replied_at", Outcome.REPLIED)
            with self.engine.begin() as connection:
                self._write(connection, entry, {column: datetime.now(UTC)}, outcome)

    def correct(self) -> None:
        """Correct a placement by hand, as an operator with SQL does."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(
                "WITH moved AS (UPDATE gmail_warmup.ledger SET placement = 'spam' WHERE id = (SELECT min(id) FROM"
                " gmail_warmup.ledger WHERE placement = 'inbox') RETURNING sender_id, local_date)"
                " UPDATE gmail_warmup.mailbox_day d SET inbox = inbox - 1, spam = spam + 1 FROM moved"
                " WHERE d.mailbox_id = moved.sender_id AND d.local_date = moved.local_date"
            )

    def merge(self) -> None:
        with self.engine.begin() as connection:
            merge_domain_days(connection)

    def move(self) -> None:
        """Change the time zone of a mailbox."""
        zone = self.random.choice(("UTC", "America/New_York"))
        with self.engine.begin() as connection:
            change = sa.text("UPDATE gmail_warmup.mailbox SET timezone = :zone WHERE id = :id")
            connection.execute(change, {"zone": zone, "id": self.random.choice(self.senders)})

    def lower(self) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE gmail_warmup.mailbox_day SET planned = greatest(claimed, planned - 1)")

    def _end(self, status: str, values: dict[str, Any], outcome: Outcome) -> ledger.Entry | None:
        """Write the outcome of one of the mails with a status."""
        ready = [entry for entry in self.open if entry.status == status]
        if not ready:
            return None
        entry = self.random.choice(ready)
        self.open.remove(entry)
        with self.engine.begin() as connection:
            self._write(connection, entry, values, outcome)
            fresh = ledger.get_entry(connection, entry.id)
        if status == "claimed":
            self.open.append(fresh)
        return fresh

    def _write(self, connection: sa.Connection, entry: ledger.Entry, values: dict[str, Any], outcome: Outcome) -> None:
        daily_counters.lock_sender(connection, entry.sender_id)
        ledger.update_entry(connection, entry.id, **values)
        daily_counters.count_outcome(connection, entry, outcome)


@pytest.mark.parametrize("seed", range(5))
def test_the_sums_are_the_ledger_counted_again(database: sa.Engine, seed: int):
    fleet = Fleet(database, seed)
    for number in range(120):
        fleet.happen()
        if number % 40 == 39:
            assert rows(database, _STORED) == rows(database, _COUNTED)
            assert rows(database, _OF_ALL_DOMAINS) == rows(database, _ALL_COUNTED)
    assert rows(database, _SAME_SUMS) == rows(database, _IN_THE_LEDGER)
    fleet.merge()
    assert rows(database, _STORED, keep_empty=True) == rows(database, _COUNTED)
    parts = "SELECT 1 FROM gmail_warmup.domain_day GROUP BY domain, timezone, local_date HAVING count(*) > 1"
    with database.begin() as connection:
        assert connection.execute(sa.text(parts)).all() == []


def test_deleted_days_and_mailboxes_are_subtracted(database: sa.Engine):
    fleet = Fleet(database, 7)
    for _ in range(80):
        fleet.happen()
    with database.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM gmail_warmup.mailbox WHERE id = {fleet.senders[0]}")
        old = "DELETE FROM gmail_warmup.mailbox_day WHERE local_date < current_date - 40"
        connection.exec_driver_sql(old)
        merge_domain_days(connection)
    assert rows(database, _STORED) == rows(database, _COUNTED)
    assert rows(database, _OF_ALL_DOMAINS) == rows(database, _ALL_COUNTED)


def test_a_date_is_today_by_the_time_zone_of_its_mailboxes(database: sa.Engine):
    zones = ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago")  # of these it is another day in at least one
    with database.begin() as connection:
        for number, zone in enumerate(zones):
            connection.execute(
                sa.text(
                    "WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, timezone, created_by)"
                    " VALUES (:address, 'warmup', :zone, 'test') RETURNING id)"
                    " INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent)"
                    " SELECT id, (now() AT TIME ZONE :zone)::date - ago, 1, sent FROM m,"
                    " (VALUES (0, 1), (1, 10), (2, 100), (29, 1000), (30, 10000)) d (ago, sent)"
                ),
                {"address": f"a{number}@zone.example", "zone": zone},
            )
        for _ in range(2):  # before and after the merge
            sums = {days: connection.execute(domain_days.select_sums(days=days)).one() for days in (1, 2, 3, 29)}
            assert (sums[1].planned, sums[1].sent, sums[2].sent) == (3, 3, 33)
            assert sums[3].sent in (133, 233, 333)  # of dates that are today nowhere the zone does not matter
            by_domain = connection.execute(domain_days.select_sums(DomainDay.domain, days=2)).one()
            assert (by_domain.domain, by_domain.sent) == ("zone.example", 33)
            merge_domain_days(connection)


def test_without_mailboxes_the_sums_are_nought(database: sa.Engine):
    with database.begin() as connection:
        assert set(connection.execute(domain_days.select_sums(days=30)).one()) == {0}
        merge_domain_days(connection)
    assert rows(database, _STORED, keep_empty=True) == []


def test_dates_of_the_sums(database: sa.Engine):
    with database.begin() as connection:
        assert isinstance(connection.scalar(sa.select(domain_days.UTC_TODAY)), date)

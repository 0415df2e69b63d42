"""Read the readiness of mailboxes, and store what follows from it once per DAG run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.enums import MailboxKind, ReadinessState
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.db.models import Mailbox, MailboxReadiness
from gmail_warmup.db.rows import convert_rows, write_each
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.planning.eligibility import Blocker
from gmail_warmup.warmup.planning.schedules import find_schedule
from gmail_warmup.warmup.readiness.facts import FactLoader, load_warmup_mailboxes
from gmail_warmup.warmup.readiness.reasons import READINESS_REASONS
from gmail_warmup.warmup.readiness.rules import ReadinessDay, compute_day, judge_readiness

_R = MailboxReadiness
_BATCH = 2000


def select_readiness(*columns: Any) -> sa.Select[Any]:
    """Return the query of stored rows. A mailbox that has moved to the pool has a row, and no readiness."""
    is_warmup = sa.and_(Mailbox.id == _R.mailbox_id, Mailbox.kind == MailboxKind.WARMUP)
    return sa.select(*columns).select_from(_R).join(Mailbox, is_warmup)


# Constants, because building a statement takes about as long as executing it for a page of mailboxes.
_ANY_ID = sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
_SELECT_DAYS = select_readiness(_R.__table__).where(_R.mailbox_id == _ANY_ID)


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The readiness of one mailbox now.

    Attributes:
        reason: reason code, message and remedy.
    """

    mailbox_id: int
    address: str
    domain: str
    day: ReadinessDay
    reason: Blocker


def load_readiness(connection: sa.Connection, mailbox_ids: Collection[int], settings: Settings) -> list[Readiness]:
    """Return the readiness of the warmup mailboxes among some mailboxes as of now, ordered by address."""
    known = load_stored_days(connection, mailbox_ids)
    records = load_warmup_mailboxes(connection, mailbox_ids)
    loader = FactLoader.prepare(connection, settings, {record.domain for record in records})
    return list(_compute_each(connection, records, settings, loader, known))


def _compute_each(
    connection: sa.Connection,
    records: Sequence[MailboxRecord],
    settings: Settings,
    loader: FactLoader,
    known: dict[int, ReadinessDay],
) -> Iterator[Readiness]:
    for record, facts in loader.load_facts(connection, records):
        verdict = judge_readiness(facts, cap=settings.cold_daily_cap)
        today = loader.blockers.now.astimezone(record.zone).date()
        schedule = find_schedule(record, settings)
        day = compute_day(
            verdict,
            known.get(record.id),
            now=loader.blockers.now,
            today=today,
            step=max(1, schedule.ramp.step) if schedule.is_sending_day(today) else 0,
        )
        yield Readiness(
            mailbox_id=record.id, address=record.address, domain=record.domain, day=day, reason=verdict.reason
        )


def load_stored_days(connection: sa.Connection, mailbox_ids: Collection[int]) -> dict[int, ReadinessDay]:
    """Return what the last run stored about mailboxes, by their ids."""
    rows = connection.execute(_SELECT_DAYS, {"ids": list(mailbox_ids)})
    return dict(convert_rows(rows, _to_day, table=_R.__tablename__))


def _to_day(row: sa.Row[Any]) -> tuple[int, ReadinessDay]:
    values = dict(row._mapping)
    mailbox_id = values.pop("mailbox_id")
    return mailbox_id, ReadinessDay(**values | {"state": ReadinessState(row.state)})


def update_readiness(engine: sa.Engine, settings: Settings) -> int:
    """Store the readiness of every warmup mailbox where it changed; return the number of changes.

    A batch has its own transactions, so that no lock is held for long.
    """
    _end_former(engine)
    with read_transaction(engine) as connection:
        is_warmup = Mailbox.kind == MailboxKind.WARMUP
        ids = list(connection.scalars(sa.select(Mailbox.id).where(is_warmup).order_by(Mailbox.id)))
        loader = FactLoader.prepare(connection, settings)
    changed = 0
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        with read_transaction(engine) as connection:
            known = load_stored_days(connection, batch)
            records = load_warmup_mailboxes(connection, batch)
            found = list(_compute_each(connection, records, settings, loader, known))
        rows = [
            {"mailbox_id": item.mailbox_id} | asdict(item.day)
            for item in found
            if item.day != known.get(item.mailbox_id)
        ]
        _store_rows(engine, rows)
        changed += len(rows)
    return changed


@retry_conflict
def _end_former(engine: sa.Engine) -> None:
    """Store that former warmup mailboxes are not ready, which is an event for webhooks; nothing else reads it."""
    reason = READINESS_REASONS["pool_mailbox"].code
    is_former = _R.mailbox_id.in_(sa.select(Mailbox.id).where(Mailbox.kind != MailboxKind.WARMUP))
    end = sa.update(_R).where(is_former, _R.state != ReadinessState.NOT_READY)
    values = {"state": ReadinessState.NOT_READY, "reason": reason, "since": sa.func.now()}
    with write_transaction(engine) as connection:
        connection.execute(end.values(values | {"cold_mails": 0, "cold_mails_before": 0}))


def _store_rows(engine: sa.Engine, rows: Sequence[dict[str, Any]]) -> None:
    @retry_conflict
    def write(batch: Sequence[dict[str, Any]]) -> None:
        statement = insert(_R).values(list(batch))
        changes = {column.name: column for column in statement.excluded if column.name != "mailbox_id"}
        with write_transaction(engine) as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=[_R.mailbox_id], set_=changes))

    ordered = sorted(rows, key=lambda row: row["mailbox_id"])
    if ordered:
        write_each(ordered, write, name=lambda row: f"The readiness of mailbox {row['mailbox_id']}")


@dataclass(frozen=True, kw_only=True)
class DomainReadiness:
    """The readiness of the warmup mailboxes of a domain, as the last run stored it.

    Attributes:
        state: the best state of a mailbox of the domain.
        reason: the most frequent reason code of the mailboxes in this state.
        mailboxes: number of mailboxes by state.
        cold_mails: cold mails of all its ready mailboxes together.
    """

    domain: str
    state: ReadinessState
    reason: str
    mailboxes: dict[ReadinessState, int]
    cold_mails: int


def load_domain_readiness(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[DomainReadiness]:
    """Return the readiness of every domain, ordered by name; of the mailboxes that meet all conditions."""
    number = sa.func.count().label("mailboxes")
    query = (
        select_readiness(
            Mailbox.domain, _R.state, number, sa.func.sum(_R.cold_mails).label("cold_mails"),
            sa.func.mode().within_group(_R.reason).label("reason"),
        )
        .where(_R.state.in_(ReadinessState), *conditions)
        .group_by(Mailbox.domain, _R.state)
        .order_by(Mailbox.domain)
    )  # fmt: skip
    rows = connection.execute(query).all()
    return [_to_domain(domain, list(group)) for domain, group in groupby(rows, key=lambda row: str(row.domain))]


def _to_domain(domain: str, rows: Sequence[Any]) -> DomainReadiness:
    by_state = {ReadinessState(row.state): row for row in rows}
    best = next(state for state in ReadinessState if state in by_state)
    return DomainReadiness(
        domain=domain,
        state=best,
        reason=by_state[best].reason,
        mailboxes={state: int(row.mailboxes) for state, row in by_state.items()},
        cold_mails=sum(int(row.cold_mails) for row in rows),
    )

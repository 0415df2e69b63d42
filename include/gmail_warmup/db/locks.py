"""The order in which a transaction locks rows, so that no two transactions can deadlock.

1. the lock of a group of decisions, such as that on mass refusals (``lock_decisions``)
2. mailboxes: warmup mailboxes before pool mailboxes, each by id (``lock_mailboxes``)
3. grants, by mailbox id (``lock_grants``)
4. mails of the ledger, by id, and then the daily counts of their sender
5. the reports about the authentication of the sender, and then those of its domain
6. the circuit breaker, and then incidents

A transaction may leave steps out. Mailboxes are locked with ``FOR NO KEY UPDATE``: the foreign keys of events, invites
and mails only need the key, so inserting these does not wait for a locked mailbox.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant


class DecisionLock(IntEnum):
    """Advisory locks on decisions that depend on a count or an order; the values are unique in Airflow's database."""

    MASS_REFUSAL = 7_310_575_252_113_449_334
    WEBHOOK_ORDER = 7_310_575_252_113_449_336
    OWNER_MAIL = 7_310_575_252_113_449_350
    WEEKLY_REPORT = 7_310_575_252_113_449_360
    CLIENT_TAGS = 7_310_575_252_113_449_370
    REPAIR_QUEUE = 7_310_575_252_113_449_380


def lock_decisions(connection: sa.Connection, lock: DecisionLock) -> None:
    """Wait for the other transactions that decide by the same count, and keep the lock until the transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(lock.value, sa.BigInteger))))


def in_lock_order(mailboxes: sa.Select[int]) -> sa.Select[int]:
    """Return a query of mailbox ids that locks its rows, in the order in which every transaction locks mailboxes."""
    return mailboxes.order_by(Mailbox.kind != MailboxKind.WARMUP, Mailbox.id).with_for_update(
        of=Mailbox, key_share=True
    )


def lock_mailboxes(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[int]:
    """Lock the mailboxes that meet the conditions until the transaction ends; return their ids."""
    return list(connection.scalars(in_lock_order(sa.select(Mailbox.id).where(*conditions))))


_LOCK_GRANTS = (
    sa.select(OAuthGrant.mailbox_id)
    .where(OAuthGrant.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))
    .order_by(OAuthGrant.mailbox_id)
    .with_for_update(key_share=True)
)


def lock_grants(connection: sa.Connection, mailbox_ids: Collection[int]) -> None:
    """Lock the grants of these mailboxes until the transaction ends."""
    connection.execute(_LOCK_GRANTS, {"ids": list(mailbox_ids)})

"""Cache the time at which each sender next has a mail due, so that a run plans only the senders that may be due.

The cached time (``mailbox.next_send_at``) is a hint: the claim computes the plan again under the sender's row lock. A
hint that is too early costs one needless computation, one that is too late delays a mail; neither sends a wrong mail.
Every change of a plan sets the hint to NULL, which means that it has to be computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.locks import in_lock_order
from gmail_warmup.db.models import Mailbox, MailboxKind, PlanBasis

_NEW_HINTS = sa.select(
    sa.func.unnest(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))).label("id"),
    sa.func.unnest(sa.bindparam("times", type_=ARRAY(sa.DateTime(timezone=True)))).label("at"),
).subquery()
_STORE_HINTS = sa.update(Mailbox).where(Mailbox.id == _NEW_HINTS.c.id).values(next_send_at=_NEW_HINTS.c.at)


def store_hints(connection: sa.Connection, hints: Mapping[int, datetime | None]) -> None:
    """Store hints by mailbox id; None clears one. The caller has locked the rows."""
    if not hints:
        return
    connection.execute(_STORE_HINTS, {"ids": list(hints), "times": list(hints.values())})


def clear_all_hints(connection: sa.Connection) -> None:
    """Clear the hints of all senders, after a change that affects every plan."""
    has_hint = sa.and_(Mailbox.kind == MailboxKind.WARMUP, Mailbox.next_send_at.is_not(None))
    locked = in_lock_order(sa.select(Mailbox.id).where(has_hint)).cte("locked")
    connection.execute(sa.update(Mailbox).where(Mailbox.id.in_(sa.select(locked.c.id))).values(next_send_at=None))


def clear_outdated_hints(connection: sa.Connection, settings: Settings) -> bool:
    """Clear all hints if they were computed with other settings, and return whether they were."""
    basis = _hash_plan_options(settings)
    if connection.scalar(sa.select(PlanBasis.settings)) == basis:
        return False
    statement = insert(PlanBasis).values(id=1, settings=basis)
    connection.execute(statement.on_conflict_do_update(index_elements=[PlanBasis.id], set_={"settings": basis}))
    clear_all_hints(connection)
    return True


def _hash_plan_options(settings: Settings) -> str:
    values = {name: getattr(settings, name) for name in Settings.plan_options()}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

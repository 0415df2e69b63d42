"""Hints of the plan: when it may be worth asking it about a sender, so that a run costs what is due, not what exists.

A hint is never the truth. The claim asks the plan itself under the sender's row lock: a hint that is too early costs a
look, one that is too late a delay, and neither a mail. Whatever changes a plan sets the hint to NULL: "ask".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox, MailboxKind, PlanBasis

_PLAN_SETTINGS = (
    "sending_window", "sending_days", "min_gap", "run_interval", "ramp", "ramp_start", "ramp_step", "ramp_cap",
    "maintenance_percent", "delay_scale",
)  # fmt: skip
"""The settings that the slots of a day depend on."""


_NEW_HINTS = sa.select(
    sa.func.unnest(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))).label("id"),
    sa.func.unnest(sa.bindparam("times", type_=ARRAY(sa.DateTime(timezone=True)))).label("at"),
).subquery()
_STORE_HINTS = sa.update(Mailbox).where(Mailbox.id == _NEW_HINTS.c.id).values(next_send_at=_NEW_HINTS.c.at)


def store_hints(connection: sa.Connection, hints: Mapping[int, datetime]) -> None:
    """Store hints by mailbox id; the rows are locked by the caller."""
    if not hints:
        return
    connection.execute(_STORE_HINTS, {"ids": list(hints), "times": list(hints.values())})


def clear_hint(connection: sa.Connection, mailbox_id: int) -> None:
    """Let one sender be planned anew."""
    connection.execute(sa.update(Mailbox).where(Mailbox.id == mailbox_id).values(next_send_at=None))


def clear_all_hints(connection: sa.Connection) -> None:
    """Let every sender be planned anew; for what changes all plans at once."""
    known = sa.and_(Mailbox.kind == MailboxKind.WARMUP, Mailbox.next_send_at.is_not(None))
    connection.execute(sa.update(Mailbox).where(known).values(next_send_at=None))


def clear_outdated_hints(connection: sa.Connection, settings: Settings) -> bool:
    """Forget all hints if they were made under other settings; tell whether they were."""
    chosen = {name: getattr(settings, name) for name in _PLAN_SETTINGS}
    basis = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
    if connection.scalar(sa.select(PlanBasis.settings)) == basis:
        return False
    statement = insert(PlanBasis).values(id=1, settings=basis)
    connection.execute(statement.on_conflict_do_update(index_elements=[PlanBasis.id], set_={"settings": basis}))
    clear_all_hints(connection)
    return True

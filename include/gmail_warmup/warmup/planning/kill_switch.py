"""The kill switch: while a halt is active, nothing is planned, claimed or sent, and no action starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import StoppedError
from gmail_warmup.db.models import Halt
from gmail_warmup.mailboxes.change_log import record_change
from gmail_warmup.warmup.planning import next_send

HALT_IS_ACTIVE = sa.exists().where(Halt.ended_at.is_(None))
"""Condition for other statements: whether a halt is active."""


@dataclass(frozen=True, kw_only=True)
class HaltRecord:
    """A halt: when it began (aware), who began it, and why."""

    since: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        """Return the halt as one log line."""
        since = self.since.astimezone(UTC)
        return (
            f"Stopped since {since:%Y-%m-%d %H:%M} UTC by {self.by}: {self.reason}. Nothing is planned or sent; "
            "start again with: gmail-warmup start"
        )


def get_active_halt(connection: sa.Connection) -> HaltRecord | None:
    """Return the active halt, or None."""
    return get_time_and_halt(connection)[1]


_SELECT_TIME_AND_HALT = sa.select(
    sa.func.now().label("now"), Halt.started_at, Halt.started_by, Halt.reason
).select_from(sa.select(sa.literal(1)).subquery().outerjoin(Halt, Halt.ended_at.is_(None)))


def get_time_and_halt(connection: sa.Connection) -> tuple[datetime, HaltRecord | None]:
    """Return the database's time (aware) and the active halt, or None, with one query."""
    row = connection.execute(_SELECT_TIME_AND_HALT).one()
    if row.started_at is None:
        return row.now, None
    return row.now, HaltRecord(since=row.started_at, by=row.started_by, reason=row.reason)


def ensure_not_halted(connection: sa.Connection) -> None:
    """Raise an error if a halt is active.

    Raises:
        StoppedError: with the time, the person and the reason.
    """
    if halt := get_active_halt(connection):
        raise StoppedError(str(halt))


def begin_halt(connection: sa.Connection, *, by: str, reason: str) -> bool:
    """Begin a halt; return False if one is active already, which keeps its reason."""
    reason = reason.strip().rstrip(".")
    statement = insert(Halt).values(started_by=by, reason=reason).on_conflict_do_nothing()
    if connection.execute(statement).rowcount != 1:
        return False
    record_change(connection, ChangeAction.HALT_BEGIN, actor=by, after={"reason": reason})
    return True


def end_halt(connection: sa.Connection, *, by: str) -> HaltRecord | None:
    """End the active halt and return it, or None without an active halt.

    Slots missed during the halt are not sent in a burst: the remaining mails of the day spread over its remaining
    hours. So all cached send times are cleared.
    """
    statement = (
        sa.update(Halt)
        .where(Halt.ended_at.is_(None))
        .values(ended_at=sa.func.now(), ended_by=by)
        .returning(Halt.started_at, Halt.started_by, Halt.reason)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    next_send.clear_all_hints(connection)
    before = {"reason": row.reason, "started_by": row.started_by}
    record_change(connection, ChangeAction.HALT_END, actor=by, before=before)
    return HaltRecord(since=row.started_at, by=row.started_by, reason=row.reason)

"""The kill switch: while a halt goes on, nothing is planned, claimed or sent, and no action begins, in any mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.errors import StoppedError
from gmail_warmup.db.models import Halt
from gmail_warmup.warmup.planning import next_send

_SELECT_CURRENT = sa.select(sa.func.now().label("now"), Halt.started_at, Halt.started_by, Halt.reason).select_from(
    sa.select(sa.literal(1)).subquery().outerjoin(Halt, Halt.ended_at.is_(None))
)


HALT_IS_ACTIVE = sa.exists().where(Halt.ended_at.is_(None))
"""Whether everything is stopped, as a condition of other statements."""


@dataclass(frozen=True, kw_only=True)
class HaltRecord:
    """The halt that goes on: since when (aware), by whom, why."""

    since: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        """Return it as the one line that every log shows."""
        since = self.since.astimezone(UTC)
        return (
            f"Stopped since {since:%Y-%m-%d %H:%M} UTC by {self.by}: {self.reason}. Nothing is planned or sent; "
            "start again with: gmail-warmup start"
        )


def get_active_halt(connection: sa.Connection) -> HaltRecord | None:
    """Return the halt that goes on, or None."""
    return get_time_and_halt(connection)[1]


def get_time_and_halt(connection: sa.Connection) -> tuple[datetime, HaltRecord | None]:
    """Return the database's time (aware) and the halt that goes on then, or None, in one round trip."""
    row = connection.execute(_SELECT_CURRENT).one()
    if row.started_at is None:
        return row.now, None
    return row.now, HaltRecord(since=row.started_at, by=row.started_by, reason=row.reason)


def ensure_not_halted(connection: sa.Connection) -> None:
    """Go on unless everything is stopped.

    Raises:
        StoppedError: a halt goes on; says who, when and why.
    """
    if stopped := get_active_halt(connection):
        raise StoppedError(str(stopped))


def begin_halt(connection: sa.Connection, *, by: str, reason: str) -> bool:
    """Stop everything; tell whether it ran until now. A halt that goes on keeps its reason."""
    statement = insert(Halt).values(started_by=by, reason=reason.strip().rstrip(".")).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def end_halt(connection: sa.Connection, *, by: str) -> HaltRecord | None:
    """Start again; return the halt that ended, or None. Slots from before this moment are not made up for in a rush.

    What is left of each day spreads over what is left of its hours, so all hints of the plan are forgotten.
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
    return HaltRecord(since=row.started_at, by=row.started_by, reason=row.reason)

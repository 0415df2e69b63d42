"""Pauses that end on a date: the mailbox resumes on its local date, with the next plan of the DAG gmail_warmup."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.option_types import parse_date
from gmail_warmup.db.clock import to_local_date
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes import removals

log = logging.getLogger(__name__)

MAX_PAUSE = timedelta(days=3653)
_LOCAL_TODAY = to_local_date(Mailbox.timezone, sa.func.now())
RESUMED = {
    "paused_at": None, "paused_by": None, "pause_reason": None, "paused_until": None, "resumed_at": sa.func.now(),
    "next_send_at": None,
}  # fmt: skip
"""The values of a mailbox that is resumed, by a person or by the end of its pause."""
_HAS_ENDED = sa.and_(
    Mailbox.paused_until.is_not(None),  # for the index
    Mailbox.paused_until <= _LOCAL_TODAY,
    Mailbox.paused_at.is_not(None),
    Mailbox.duplicate_number == 0,
)
_RESUME = (
    sa.update(Mailbox).where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))).values(RESUMED)
)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Why a mailbox is paused, and the local date on which it resumes; None: when a person resumes it."""

    reason: str
    until: date | None = None


def parse_end_of_pause(text: str) -> date:
    """Return the end of a pause that a file has. One that has passed resumes the mailbox with the next plan.

    Raises:
        ValueError: if it is not a date, or too far away.
    """
    until = parse_date(text.strip().removesuffix("T00:00:00"))  # of the cell of a workbook
    if until > datetime.now(UTC).date() + MAX_PAUSE:
        raise ValueError("must be within ten years")
    return until


def require_end_of_pause(connection: sa.Connection, mailbox_ids: Sequence[int], until: date) -> None:
    """Check that a date is after today where each mailbox is, and within ten years.

    Raises:
        InvalidInputError: naming a mailbox for which it is not.
    """
    is_listed = Mailbox.id == sa.any_(sa.literal(list(mailbox_ids), ARRAY(sa.BigInteger())))
    is_wrong = ~sa.literal(until, sa.Date).between(_LOCAL_TODAY + 1, _LOCAL_TODAY + MAX_PAUSE.days)
    query = sa.select(Mailbox.address, _LOCAL_TODAY.label("today")).where(is_listed, is_wrong).order_by(Mailbox.address)
    if row := connection.execute(query.limit(1)).one_or_none():
        raise InvalidInputError(
            f"until: {until} must be after today and within ten years; it is {row.today} where {row.address} is. "
            "Give another date."
        )


def resume_ended_pauses(connection: sa.Connection) -> int:
    """Resume the mailboxes whose pause has ended; return their number. Slots missed during the pause are not sent."""
    ids = removals.lock_kept(connection, _HAS_ENDED)
    if ids:
        connection.execute(_RESUME, {"ids": ids})
        log.info("The pauses of %d mailboxes have ended; they send again", len(ids))
    return len(ids)

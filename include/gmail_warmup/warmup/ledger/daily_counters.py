"""Daily counters of a sender: the day's volume, and what became of the first mails that it sent on that day."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.db.models import Mailbox, MailboxDay, Placement
from gmail_warmup.warmup.ledger.entries import Entry

_D = MailboxDay


class Outcome(StrEnum):
    """What became of a first mail; the value is the column of ``mailbox_day`` that counts it."""

    SENT = "sent"
    FAILED = "failed"
    INBOX = "inbox"
    SPAM = "spam"
    ELSEWHERE = "elsewhere"
    """It was placed in a category tab, the archive or the trash."""
    MISSING = "missing"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    """It bounced because it was rejected as spam or by policy; it is counted as bounced as well."""
    RESCUED = "rescued"
    READ = "read"
    REPLIED = "replied"


_HEALTH_OUTCOMES = frozenset({Outcome.INBOX, Outcome.SPAM, Outcome.ELSEWHERE, Outcome.MISSING, Outcome.BOUNCED})
_PLACEMENT_OUTCOMES = {
    Placement.INBOX: Outcome.INBOX, Placement.SPAM: Outcome.SPAM, Placement.MISSING: Outcome.MISSING,
}  # fmt: skip


def get_placement_counter(placement: Placement) -> Outcome:
    """Return the outcome under which a placement is counted."""
    return _PLACEMENT_OUTCOMES.get(placement, Outcome.ELSEWHERE)


_NEW_DAY = insert(_D).values(
    {name: sa.bindparam(name) for name in ("mailbox_id", "local_date", "ramp", "planned", "reduction_reason")}
)
_FIX_DAILY_VOLUME = _NEW_DAY.on_conflict_do_update(
    index_elements=[_D.mailbox_id, _D.local_date],
    set_={
        "planned": sa.func.greatest(_D.claimed, sa.func.least(_D.planned, _NEW_DAY.excluded.planned)),
        "reduction_reason": sa.case(
            (_NEW_DAY.excluded.planned < _D.planned, _NEW_DAY.excluded.reduction_reason), else_=_D.reduction_reason
        ),
    },
).returning(_D.planned)


def fix_daily_volume(
    connection: sa.Connection,
    mailbox_id: int,
    local_date: date,
    *,
    ramp: int,
    planned: int,
    reduction_reason: str | None,
) -> int:
    """Fix the volume of a sender's day before its first claim; later calls can only lower it.

    The database refuses a claim beyond the volume, and any claim before this call: see ``MailboxDay``.

    Args:
        ramp: mails that the ramp alone allows.
        planned: mails to send.
        reduction_reason: the reason code of the difference, if any.

    Returns:
        The volume that applies.
    """
    day = {"mailbox_id": mailbox_id, "local_date": local_date, "ramp": ramp, "planned": planned}
    return int(connection.execute(_FIX_DAILY_VOLUME, day | {"reduction_reason": reduction_reason}).scalar_one())


_UPDATE_DAY = sa.update(_D).where(_D.mailbox_id == sa.bindparam("mailbox"), _D.local_date == sa.bindparam("day"))
_RECORD_REDUCTION = _UPDATE_DAY.values(reduction_reason=sa.bindparam("reason"))


def record_reduction(connection: sa.Connection, mailbox_id: int, local_date: date, reason: str) -> None:
    """Store, for the page, why a sender sends less than planned on a day; a pool mailbox has no such row."""
    connection.execute(_RECORD_REDUCTION, {"mailbox": mailbox_id, "day": local_date, "reason": reason})


_LOCK_SENDER = sa.select(Mailbox.id).where(Mailbox.id == sa.bindparam("id")).with_for_update(key_share=True)
_INCREMENT = {
    outcome: _UPDATE_DAY.values({outcome.value: getattr(_D, outcome.value) + 1}).returning(_D.sent)
    for outcome in Outcome
}
_COUNT_WARMUP_DAY = (
    sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(warmup_days=Mailbox.warmup_days + 1)
)


def lock_sender(connection: sa.Connection, sender_id: int) -> None:
    """Lock the row of a sender; call it before the transaction changes the ledger, see ``db.locks``."""
    connection.execute(_LOCK_SENDER, {"id": sender_id})


def count_outcome(connection: sa.Connection, entry: Entry, outcome: Outcome) -> bool:
    """Count the outcome of a first mail on its sender's day and return whether it affects the sender's health.

    Call it in the transaction that writes the outcome to the ledger, with the sender's row locked. A reply is counted
    on the mail that it answers, so nothing is counted for the reply itself. Former releases deleted days that the
    ledger still needed; nothing is counted on these.
    """
    if entry.parent_id is not None:
        return False
    day = {"mailbox": entry.sender_id, "day": entry.local_date}
    sent_today = connection.execute(_INCREMENT[outcome], day).scalar_one_or_none()
    if outcome is Outcome.SENT and sent_today == 1:
        connection.execute(_COUNT_WARMUP_DAY, {"mailbox": entry.sender_id})
    return outcome in _HEALTH_OUTCOMES

"""What a pair of mailboxes has already written to each other, so that nothing is repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import LEDGER_HISTORY
from gmail_warmup.db.models import LedgerEntry as L


@dataclass(frozen=True, kw_only=True)
class SentTexts:
    """The subjects of a pair's mails, without regard to case, and the hashes of their texts."""

    subjects: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def count_repeated(self, *, subject: str | None, text_hash: str) -> int:
        """Return how many of the two have been used. A subject of None, as of a reply, is not compared."""
        return (subject is not None and subject.casefold() in self.subjects) + (text_hash in self.hashes)


def _select_pair(table: Any) -> sa.Select[Any]:
    # Both directions; the index on sender and claim finds either.
    a: sa.BindParameter[int] = sa.bindparam("sender_id")
    b: sa.BindParameter[int] = sa.bindparam("recipient_id")
    is_pair = sa.or_(
        sa.and_(table.sender_id == a, table.recipient_id == b), sa.and_(table.sender_id == b, table.recipient_id == a)
    )
    return sa.select(table.subject, table.text_hash).where(is_pair, table.claimed_at > sa.bindparam("since"))


_SELECT_SENT = sa.union_all(_select_pair(L), _select_pair(LEDGER_HISTORY.c))


def load_sent_texts(connection: sa.Connection, *, sender_id: int, recipient_id: int, since: datetime) -> SentTexts:
    """Return what two mailboxes have written to each other since a time (aware)."""
    parameters = {"sender_id": sender_id, "recipient_id": recipient_id, "since": since}
    rows = connection.execute(_SELECT_SENT, parameters).all()
    return SentTexts(
        subjects=frozenset(row.subject.casefold() for row in rows),
        hashes=frozenset(row.text_hash for row in rows if row.text_hash),
    )

"""Recent activity of pool mailboxes: mails received and rescued from spam."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement

DAYS = 7


_COUNT_RECEIVED = (
    sa.select(L.recipient_id, sa.func.count(L.placed_at).label("mails"), sa.func.count(L.rescued_at).label("rescued"))
    .where(
        L.recipient_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))),
        L.parent_id.is_(None),
        L.claimed_at > sa.func.now() - interval(DAYS * 86_400),
        L.placement != Placement.MISSING,
    )
    .group_by(L.recipient_id)
)


class Received(BaseModel):
    """Mails that a pool mailbox received in the last 7 days, and how many it rescued from spam."""

    model_config = ConfigDict(frozen=True)

    mails: int = 0
    rescued: int = 0


def count_received(connection: sa.Connection, ids: Collection[int]) -> dict[int, Received]:
    """Count the first mails of the last days by mailbox id, in whichever folder they were found."""
    if not ids:
        return {}
    rows = connection.execute(_COUNT_RECEIVED, {"ids": list(ids)})
    return {row.recipient_id: Received(mails=row.mails, rescued=row.rescued) for row in rows}

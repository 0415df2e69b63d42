"""Where first mails were placed, by whom they came from, and by the provider and domain of whom they went to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, Placement
from gmail_warmup.mailboxes.records import CONSUMER_DOMAINS

_MAX_PLACEMENT_DELAY = timedelta(days=30)
"""So long after its claim a mail may be found and still counts for a choice of senders."""


class Provider(StrEnum):
    """Whose filters decided."""

    CONSUMER = "consumer"
    """Consumer Gmail."""
    WORKSPACE = "workspace"
    """A Google Workspace."""


@dataclass(frozen=True, kw_only=True)
class PlacementCount:
    """How many first mails of a sender one domain's mailboxes had in one place; categories are places of their own."""

    provider: Provider
    domain: str
    placement: Placement
    mails: int


def count_placements(
    connection: sa.Connection, *, since: datetime, sender_ids: Iterable[int] | None = None
) -> list[PlacementCount]:
    """Count where first mails were found, by the recipient's domain.

    Args:
        since: aware; what was placed before is left out.
        sender_ids: whose mails; everybody's if None.
    """
    mails = sa.func.count().label("mails")
    query = (
        sa.select(Mailbox.domain, L.placement, mails)
        .join(Mailbox, Mailbox.id == L.recipient_id)
        .where(L.parent_id.is_(None), L.placed_at >= since)
        .group_by(Mailbox.domain, L.placement)
        .order_by(Mailbox.domain, mails.desc(), L.placement)
    )
    if sender_ids is not None:
        # By the index of a sender's mails; what was placed later after its claim than this is left out.
        query = query.where(L.sender_id.in_(list(sender_ids)), L.claimed_at >= since - _MAX_PLACEMENT_DELAY)
    return [
        PlacementCount(
            provider=Provider.CONSUMER if row.domain in CONSUMER_DOMAINS else Provider.WORKSPACE,
            domain=row.domain,
            placement=Placement(row.placement),
            mails=row.mails,
        )
        for row in connection.execute(query)
    ]

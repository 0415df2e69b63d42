"""Count the placements of first mails by sender, and by provider and domain of the recipient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, Placement
from gmail_warmup.db.rows import convert_rows

_MAX_PLACEMENT_DELAY = timedelta(days=30)
"""A mail that is placed later than this after its claim is not counted if senders are given."""


class Provider(StrEnum):
    """The provider of the recipient, whose filters decide the placement."""

    CONSUMER = "consumer"
    """Consumer Gmail."""
    WORKSPACE = "workspace"
    """Google Workspace."""


@dataclass(frozen=True, kw_only=True)
class PlacementCount:
    """The number of first mails that recipients of one domain had in one folder or category."""

    provider: Provider
    domain: str
    placement: Placement
    mails: int


def count_placements(
    connection: sa.Connection, *, since: datetime, sender_ids: Iterable[int] | None = None
) -> list[PlacementCount]:
    """Count first mails by the domain of the recipient and their placement.

    Args:
        since: the earliest time of placement (aware).
        sender_ids: the senders whose mails are counted; None for all.
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
        # The condition on the claim uses the index of a sender's mails.
        query = query.where(L.sender_id.in_(list(sender_ids)), L.claimed_at >= since - _MAX_PLACEMENT_DELAY)
    return convert_rows(connection.execute(query), _to_placement_count, table=L.__tablename__)


def _to_placement_count(row: sa.Row[Any]) -> PlacementCount:
    return PlacementCount(
        provider=Provider.CONSUMER if row.domain in CONSUMER_DOMAINS else Provider.WORKSPACE,
        domain=row.domain,
        placement=Placement(row.placement),
        mails=row.mails,
    )

"""The pace that one audit found is where the next one begins: the next shard, or the next day."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import Breaker as Row

RATE_TTL_SECONDS = 2 * 86_400
"""Seconds for which a pace is remembered; the audit runs daily."""


def load_rate_limiter(engine: sa.Engine, client_id: str, *, rate: float) -> RateLimiter:
    """Return a pacer that begins a little below the pace found last.

    Args:
        rate: to begin with, in requests a second, where none is remembered.
    """
    fresh = Row.pace_at > sa.func.now() - interval(RATE_TTL_SECONDS)
    query = sa.select(Row.pace, Row.pace_limited).where(Row.client_id == client_id, Row.pace.is_not(None), fresh)
    with engine.connect() as connection:
        found = connection.execute(query).one_or_none()
    if found is None or found.pace <= rate:
        return RateLimiter(rate)
    return (
        RateLimiter(rate, ceiling=found.pace)
        if found.pace_limited
        else RateLimiter(found.pace * RateLimiter.BACKOFF_FACTOR)
    )


def save_rate(engine: sa.Engine, client_id: str, pacer: RateLimiter) -> None:
    """Keep the pace that was found, unless too little was asked to find any."""
    if pacer.measured_rate is None:
        return
    values = {"pace": pacer.measured_rate, "pace_limited": pacer.is_limited, "pace_at": sa.func.now()}
    statement = insert(Row).values(client_id=client_id, **values)
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=[Row.client_id], set_=values))

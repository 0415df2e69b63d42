"""Store the rate that one audit measured as the initial rate of the next shard or the next day."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Breaker as Row

RATE_TTL_SECONDS = 2 * 86_400
"""Seconds for which a measured rate is used; the audit runs daily."""


def load_rate_limiter(engine: sa.Engine, client_id: str, *, rate: float) -> RateLimiter:
    """Return a rate limiter that starts slightly below the rate measured last.

    Args:
        rate: initial requests per second if no rate is stored.
    """
    fresh = Row.pace_at > sa.func.now() - make_interval(RATE_TTL_SECONDS)
    query = sa.select(Row.pace, Row.pace_limited).where(Row.client_id == client_id, Row.pace.is_not(None), fresh)
    with read_transaction(engine) as connection:
        stored = connection.execute(query).one_or_none()
    if stored is None or stored.pace <= rate:
        return RateLimiter(rate)
    return (
        RateLimiter(rate, ceiling=stored.pace)
        if stored.pace_limited
        else RateLimiter(stored.pace * RateLimiter.BACKOFF_FACTOR)
    )


def save_rate(engine: sa.Engine, client_id: str, rate_limiter: RateLimiter) -> None:
    """Store the measured rate, unless too few requests were sent to measure one."""
    if rate_limiter.measured_rate is None:
        return
    values = {"pace": rate_limiter.measured_rate, "pace_limited": rate_limiter.is_limited, "pace_at": sa.func.now()}
    statement = insert(Row).values(client_id=client_id, **values)
    with write_transaction(engine) as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=[Row.client_id], set_=values))

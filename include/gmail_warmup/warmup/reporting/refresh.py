"""Keep the overview quick: merge the sums of the daily counts and store the volumes, once per run of a DAG."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.warmup.reporting import domain_volumes
from gmail_warmup.warmup.reporting.domain_days import merge_domain_days

_LOCK_KEY = 7_310_575_252_113_449_335
"""Key of the advisory lock; those of alerts, maintenance and ``db.locks`` precede it."""


def refresh_overview(engine: sa.Engine, settings: Settings) -> None:
    """Merge sums and store volumes. If another process is doing so, nothing is done."""
    with write_transaction(engine) as connection:
        if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK_KEY))):
            merge_domain_days(connection)
            domain_volumes.store_volumes(connection, settings)

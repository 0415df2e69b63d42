"""Sums of the daily counts by domain and date, so that the cost of totals does not depend on the number of mailboxes.

A trigger adds every change of ``mailbox_day`` to ``domain_day`` in the same transaction. So the sums are exact, also
for outcomes of old mails and for deleted mailboxes.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.clock import to_local_date
from gmail_warmup.db.models import DomainDay

_D = DomainDay

SUMMED_COLUMNS = tuple(
    column.name for column in _D.__table__.columns if column.name not in ("id", "domain", "timezone", "local_date")
)

UTC_TODAY: sa.ColumnElement[Any] = sa.cast(sa.func.timezone("UTC", sa.func.now()), sa.Date)
_OLDEST_WITH_ZONE = 2
"""Days from the UTC date back to the oldest date whose time zone is kept: yesterday in the westernmost zone."""
_ZONES = (
    sa.select(_D.timezone, to_local_date(_D.timezone, sa.func.now()).label("today"))
    .where(_D.local_date >= UTC_TODAY - _OLDEST_WITH_ZONE, _D.timezone != "")
    .group_by(_D.timezone)
    .subquery("zone")
)
"""The local day of each time zone of the last dates."""
_DAYS_WITH_ZONE = 2
"""Up to so many days, the time zone decides which dates belong to them; rows of earlier dates have none."""


def build_sums(table: Any) -> list[sa.Label[Any]]:
    """Return the sums of all counts of a table, labelled by their names."""
    return [sa.func.coalesce(sa.func.sum(getattr(table, name)), 0).label(name) for name in SUMMED_COLUMNS]


def needs_time_zone(days: int) -> bool:
    """Return whether the time zone decides which dates are the last local days."""
    return days <= _DAYS_WITH_ZONE


def is_recent(local_date: Any, days: int) -> sa.ColumnElement[bool]:
    """Return the condition of the last local days; of those that need a time zone, one more."""
    condition: sa.ColumnElement[bool] = local_date > UTC_TODAY - days - (1 if needs_time_zone(days) else 0)
    return condition


def select_sums(*columns: Any, days: int, domain: str = "") -> sa.Select[Any]:
    """Return the query of the sums of all counts of the last local days, including today, by some columns.

    Args:
        domain: only this domain; empty for all.
    """
    query: sa.Select[Any] = sa.select(*columns, *build_sums(_D)).select_from(_D).group_by(*columns)
    query = query.where(is_recent(_D.local_date, days))
    if needs_time_zone(days):
        query = query.join(_ZONES, _ZONES.c.timezone == _D.timezone).where(_D.local_date > _ZONES.c.today - days)
    if domain:
        return query.where(_D.domain == domain)
    if _D.domain in columns:
        return query.where(_D.domain.is_not(None))
    return query.where(sa.or_(_D.domain.is_(None), _D.timezone != ""))


_MERGED_ZONE = sa.case((_D.local_date < UTC_TODAY - _OLDEST_WITH_ZONE, ""), else_=_D.timezone)
_MERGED = (_D.domain, _D.local_date, _MERGED_ZONE.label("zone"))
_IS_DUE = sa.or_(sa.func.count() > 1, sa.func.bool_or(_D.timezone != _MERGED_ZONE))
_DUE = sa.select(*_MERGED).where(_D.domain.is_not(None)).group_by(*_MERGED).having(_IS_DUE)
_COUNTS = [getattr(_D, name) for name in SUMMED_COLUMNS]
_DATES = sa.any_(sa.bindparam("dates", type_=ARRAY(sa.Date)))
_IS_WITHOUT_ZONE = sa.and_(_D.timezone == "", _D.local_date == _DATES)


def merge_domain_days(connection: sa.Connection) -> None:
    """Replace the rows of each domain and date by one with their sum, and renew the rows for all domains.

    One process at a time may run it; changes of the daily counts do not wait for it.
    """
    dates = list(connection.scalars(_build_merge()))
    connection.execute(sa.delete(_D).where(_D.domain.is_(None), _IS_WITHOUT_ZONE), {"dates": dates})
    everything = sa.select(sa.null(), sa.literal(""), _D.local_date, *map(sa.func.sum, _COUNTS))
    everything = everything.where(_D.domain.is_not(None), _IS_WITHOUT_ZONE).group_by(_D.local_date)
    connection.execute(_insert_from(everything), {"dates": dates})


def _build_merge() -> sa.Select[Any]:
    """Return the statement that merges the rows, and returns the dates without time zone of which it changed some."""
    due = _DUE.cte("due")
    deleted = (
        sa.delete(_D)
        .where(_D.domain == due.c.domain, _D.local_date == due.c.local_date, due.c.zone == _MERGED_ZONE)
        .returning(*_MERGED, *_COUNTS)
        .cte("deleted")
    )
    sums = [sa.func.sum(deleted.c[name]) for name in SUMMED_COLUMNS]
    groups = (deleted.c.domain, deleted.c.zone, deleted.c.local_date)
    is_empty = sa.and_(*(total == 0 for total in sums))
    merged = _insert_from(sa.select(*groups, *sums).group_by(*groups).having(~is_empty)).cte("merged")
    return sa.select(deleted.c.local_date).where(deleted.c.zone == "").distinct().add_cte(merged)


def _insert_from(sums: sa.Select[Any]) -> sa.Insert:
    return sa.insert(_D).from_select(["domain", "timezone", "local_date", *SUMMED_COLUMNS], sums)

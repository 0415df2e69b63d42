"""Pages of rows in the order of their ids, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

DEFAULT_PAGE_LIMIT = 100
"""Number of rows of a page, unless another one is chosen."""

RecordT = TypeVar("RecordT")


@dataclass(frozen=True, kw_only=True)
class IdRange:
    """Position and size of a page. ``before`` and ``after`` are the edge ids of the neighbouring page."""

    before: int | None = None
    after: int | None = None
    limit: int = DEFAULT_PAGE_LIMIT


@dataclass(frozen=True, kw_only=True)
class IdPage(Generic[RecordT]):
    """One page, the newest row first, with the ids at which the neighbouring pages begin."""

    rows: Sequence[RecordT]
    older_before: int | None
    newer_after: int | None


def fetch_id_page(
    connection: sa.Connection,
    query: sa.Select[Any],
    key: sa.SQLColumnExpression[int],
    position: IdRange,
    convert: Callable[[sa.Row[Any]], RecordT],
) -> IdPage[RecordT]:
    """Return one page of a query.

    Args:
        key: the column with the id, which the query also selects under the name ``id``.
    """
    before, after = position.before, position.after
    backwards = after is not None and before is None
    if backwards:
        query = query.where(key > after).order_by(key)
    else:
        query = (query.where(key < before) if before is not None else query).order_by(key.desc())
    found = connection.execute(query.limit(position.limit + 1)).all()
    more, rows = len(found) > position.limit, list(found[: position.limit])
    if backwards:
        rows.reverse()
    has_older, has_newer = (True, more) if backwards else (more, before is not None)
    return IdPage(
        rows=[convert(row) for row in rows],
        older_before=rows[-1].id if rows and has_older else None,
        newer_after=rows[0].id if rows and has_newer else None,
    )

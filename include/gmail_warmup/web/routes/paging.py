"""Links to the neighbouring pages of a list in the order of ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from gmail_warmup.db.paging import DEFAULT_PAGE_LIMIT, IdPage, IdRange


def parse_position(before: str, after: str, *, limit: int = DEFAULT_PAGE_LIMIT) -> IdRange:
    """Return the position of a link; an edge that is not an id is ignored."""
    return IdRange(before=_parse_id(before), after=_parse_id(after), limit=limit)


def _parse_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def build_page_queries(page: IdPage[Any], filters: Mapping[str, object]) -> dict[str, Any]:
    """Return the query strings of the previous and next page by their names in the templates; empty at the ends."""
    return {
        "older_query": _build_query(filters, before=page.older_before),
        "newer_query": _build_query(filters, after=page.newer_after),
    }


def _build_query(filters: Mapping[str, object], **edge: int | None) -> str:
    if not any(edge.values()):
        return ""
    return urlencode({key: str(value) for key, value in {**filters, **edge}.items() if value})

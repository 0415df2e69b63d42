"""The rule for dates that people and programs give."""

from __future__ import annotations

import re
from datetime import date

DATE_RULE = "must be a date as YYYY-MM-DD, for example 2026-12-24"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_date(text: str) -> date:
    """Return a date. ``date.fromisoformat`` also takes other forms of ISO 8601, such as ``2026-W52-4``.

    Raises:
        ValueError: with the rule, if it is anything else.
    """
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(DATE_RULE)

"""The columns of the list that a person may show or hide."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS_COOKIE = "gmail_warmup_columns"
"""The choice of this browser. The script of the list writes it; a URL parameter takes precedence."""
SEPARATOR, NO_COLUMNS = ".", "none"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column next to the address, the state and the actions, which are always shown."""

    name: str
    title: str
    sort: str = ""
    """Name of the sort order, if the column has one."""
    by_default: bool = True


COLUMNS = (
    Column(name="kind", title="Kind", by_default=False),
    Column(name="name", title="Name", by_default=False),
    Column(name="warmup", title="Warmup", sort="day"),
    Column(name="inbox", title="Inbox, 7 days"),
    Column(name="readiness", title="Cold mail today"),
    Column(name="since", title="Since", sort="since", by_default=False),
    Column(name="refreshed", title="Refreshed", sort="refreshed", by_default=False),
    Column(name="expires", title="Expires", sort="expires", by_default=False),
    Column(name="timezone", title="Time zone", by_default=False),
    Column(name="owner", title="Owner", sort="owner", by_default=False),
    Column(name="tags", title="Tags", by_default=False),
    Column(name="client", title="OAuth client", by_default=False),
)
"""All optional columns in their order."""
DEFAULT_COLUMNS = tuple(column for column in COLUMNS if column.by_default)


def parse_columns(text: str) -> tuple[Column, ...] | None:
    """Return the columns that a text names, in their order; None if it names none, so that the default applies."""
    if text == NO_COLUMNS:
        return ()
    names = set(text.split(SEPARATOR))
    return tuple(column for column in COLUMNS if column.name in names) or None


def format_columns(columns: tuple[Column, ...]) -> str:
    """Return the text that `parse_columns` reads."""
    return SEPARATOR.join(column.name for column in columns) or NO_COLUMNS

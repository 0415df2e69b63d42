"""Reason codes: the base record, and the function that builds a table of them.

Each table maps codes to what happened and what to do about it. Tasks, page, alerts and docs share the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar


@dataclass(frozen=True, kw_only=True)
class ReasonBase:
    """A reason code with its texts.

    Attributes:
        code: the code that is stored and logged; it never changes.
        message: what happened, as a sentence.
        remedy: what to do about it; empty if nothing has to be done.
    """

    code: str
    message: str
    remedy: str


ReasonT = TypeVar("ReasonT", bound=ReasonBase)


class ReasonTable(dict[str, ReasonT]):
    """Reasons by their codes."""

    def look_up(self, stored: str | None, default: str) -> ReasonT:
        """Return the reason of a stored code, and of the default code if none is stored.

        A code may be stored that this version does not know: a newer version wrote it. It has the properties of the
        default, and texts that say so.
        """
        if stored is None or stored in self:
            return self[stored or default]
        message, remedy = f"This version does not know the stored reason '{stored}'.", "Run: gmail-warmup doctor"
        return replace(self[default], code=stored, message=message, remedy=remedy)


def build_reason_table(reasons: Iterable[ReasonT]) -> ReasonTable[ReasonT]:
    """Return reasons by their codes.

    Raises:
        ValueError: if a code appears twice.
    """
    table: ReasonTable[ReasonT] = ReasonTable()
    for reason in reasons:
        if reason.code in table:
            raise ValueError(f"The reason code '{reason.code}' appears twice in its table.")
        table[reason.code] = reason
    return table

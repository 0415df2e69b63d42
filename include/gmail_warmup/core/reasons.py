"""Reason codes: the base record, and the function that builds a table of them.

Each table maps codes to what happened and what to do about it. Tasks, page, alerts and docs share the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


def build_reason_table(reasons: Iterable[ReasonT]) -> dict[str, ReasonT]:
    """Return reasons by their codes.

    Raises:
        ValueError: if a code appears twice.
    """
    table: dict[str, ReasonT] = {}
    for reason in reasons:
        if reason.code in table:
            raise ValueError(f"The reason code '{reason.code}' appears twice in its table.")
        table[reason.code] = reason
    return table

"""How a finding looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Nothing to do."""
    WARNING = "warning"
    """It works; somebody should look at it, or it could not be told."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One finding and what to do about it."""

    name: str
    status: Status
    found: str
    step: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain values."""
        return asdict(self)


CheckOutcome = tuple[Status, str] | tuple[Status, str, str]
"""Status, what was found, and the step to take where there is one."""

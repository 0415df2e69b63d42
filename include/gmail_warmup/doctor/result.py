"""Results of the checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """Result of a check."""

    OK = "ok"
    """No action needed."""
    WARNING = "warning"
    """It works, but needs attention or could not be determined."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check, with its remedy."""

    name: str
    status: Status
    found: str
    step: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return asdict(self)


CheckOutcome = tuple[Status, str] | tuple[Status, str, str]
"""Status, finding, and remedy if there is one."""

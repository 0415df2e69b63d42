"""The result of an audit: the number of mailboxes per outcome. It is passed between tasks as JSON in XCom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from gmail_warmup.core.enums import GrantState, ResponseCategory
from gmail_warmup.oauth.reasons import REASONS


class AuditOutcome(StrEnum):
    """The outcome of an audit for one mailbox."""

    REFRESHED = "refreshed"
    """Google issued an access token."""
    VALID = "valid"
    """The grant was refreshed recently, so that no request was sent, or it was re-authenticated during the audit."""
    BEING_REFRESHED = "being_refreshed"
    """A task holds the lease of the grant."""
    SUSPECT = "suspect"
    NEEDS_REAUTH = "needs_reauth"
    BLOCKED_BY_ADMIN = "blocked_by_admin"
    ACCOUNT_DELETED = "account_deleted"
    DISABLED = "disabled"
    APP_ERROR = "app_error"
    """Google refuses the OAuth client."""
    TRANSIENT = "transient"
    """Google failed or could not be reached."""
    THROTTLED = "throttled"
    UNREADABLE = "unreadable"
    """The stored grant cannot be decrypted."""

    @classmethod
    def of_state(cls, state: GrantState) -> AuditOutcome:
        """Return the outcome for a grant in this state."""
        return cls.VALID if state is GrantState.ACTIVE else cls(state.value)


UNREACHED_OUTCOMES = {
    ResponseCategory.APP: AuditOutcome.APP_ERROR,
    ResponseCategory.LOCAL: AuditOutcome.UNREADABLE,
    ResponseCategory.TRANSIENT: AuditOutcome.TRANSIENT,
    ResponseCategory.THROTTLED: AuditOutcome.THROTTLED,
}
"""The outcomes after which the audit does not know whether the grant works, by category of the response."""

RETRYABLE_OUTCOMES = frozenset({AuditOutcome.TRANSIENT, AuditOutcome.THROTTLED, AuditOutcome.APP_ERROR})
"""The outcomes after which the second pass probes a mailbox again."""


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """The result of one pass over some or all mailboxes."""

    counts: Mapping[AuditOutcome, int] = field(default_factory=dict)
    """Number of mailboxes per outcome, without zeros."""
    unknown_responses: Mapping[str, int] = field(default_factory=dict)
    """Number of responses that are not in the table of reasons, by status and error code."""
    stop_reason: str | None = None
    """Reason code for which requests were stopped, if they were."""
    refused_clients: frozenset[str] = frozenset()
    """The ids of the OAuth clients during whose probes Google refused the client or our request."""

    @property
    def app_error(self) -> str | None:
        """Return the reason code if Google refused the OAuth client or our request."""
        return self.stop_reason if _is_app_error(self.stop_reason) else None

    def count(self, *outcomes: AuditOutcome) -> int:
        """Return the number of mailboxes with one of these outcomes."""
        return sum(self.counts.get(outcome, 0) for outcome in outcomes)

    def without_retryable(self) -> AuditResult:
        """Return the result without the mailboxes that the second pass probes again."""
        counts = {outcome: count for outcome, count in self.counts.items() if outcome not in RETRYABLE_OUTCOMES}
        return AuditResult(counts=counts, unknown_responses=self.unknown_responses)

    @classmethod
    def merge(cls, results: Iterable[AuditResult]) -> Self:
        """Add results up. A refused OAuth client takes precedence over other reasons to stop."""
        tally = AuditTally()
        stop_reasons, refused_clients = list[str](), set[str]()
        for result in results:
            tally.counts.update(result.counts)
            tally.unknown_responses.update(result.unknown_responses)
            stop_reasons += [result.stop_reason] if result.stop_reason else []
            refused_clients |= result.refused_clients
        app_error = next((code for code in stop_reasons if _is_app_error(code)), None)
        return cls(
            counts=tally.counts,
            unknown_responses=tally.unknown_responses,
            stop_reason=app_error or next(iter(stop_reasons), None),
            refused_clients=frozenset(refused_clients),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self:
        """Read a result from XCom; missing keys and outcomes of another version are skipped."""
        values = values or {}
        known = set(AuditOutcome)
        counts = {AuditOutcome(name): int(count) for name, count in values.get("counts", {}).items() if name in known}
        return cls(
            counts=counts,
            unknown_responses=dict(values.get("unknown", {})),
            stop_reason=values.get("stopped"),
            refused_clients=frozenset(values.get("refused_clients", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values for XCom."""
        return {
            "counts": {outcome.value: count for outcome, count in self.counts.items()},
            "unknown": dict(self.unknown_responses),
            "stopped": self.stop_reason,
            "app_error": self.app_error,
            "refused_clients": sorted(self.refused_clients),
        }


def _is_app_error(code: str | None) -> bool:
    return code is not None and code in REASONS and REASONS[code].category is ResponseCategory.APP


@dataclass
class AuditTally:
    """Count outcomes while an audit runs."""

    counts: Counter[AuditOutcome] = field(default_factory=Counter)
    unknown_responses: Counter[str] = field(default_factory=Counter)
    stop_reason: str | None = None

    def to_result(self) -> AuditResult:
        """Return the counts as a result."""
        return AuditResult(
            counts=dict(+self.counts), unknown_responses=dict(self.unknown_responses), stop_reason=self.stop_reason
        )

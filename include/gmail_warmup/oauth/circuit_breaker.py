"""The circuit breaker of one OAuth client, shared by all processes and machines.

It opens when Google refuses the client itself, or when several mailboxes in a row fail without a success in between.
While open, no requests are sent except an occasional probe; the first success closes it. Opening creates an incident,
closing resolves it. Valid access tokens are returned regardless of its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import autocommit, write_transaction
from gmail_warmup.db.models import Breaker as Row
from gmail_warmup.db.models import IncidentKind
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from gmail_warmup.oauth.reasons import REASONS, Reason

OPENS_IMMEDIATELY = frozenset(
    {
        "invalid_client", "deleted_client", "disabled_client", "api_disabled",
        "service_account_missing", "service_account_key", "signing_denied", "signing_api_disabled",
        "source_credentials",
    }
)  # fmt: skip
"""Reasons that always concern the client. Other refusals of the client may be caused by one grant, so are counted."""
FAILURE_THRESHOLDS = {ResponseCategory.TRANSIENT: 10, ResponseCategory.APP: 3}
"""Number of different mailboxes that have to fail in a row."""
COOLDOWN_SECONDS = {ResponseCategory.TRANSIENT: (15, 300), ResponseCategory.APP: (60, 900)}
"""Seconds until a probe is allowed: initial and maximum value. They double with each failed probe."""
THROTTLED_COOLDOWN_SECONDS = 5
RECENT_SECONDS = 600
"""Seconds for which a success shows that the client works."""

_INCIDENT_KINDS = {ResponseCategory.TRANSIENT: IncidentKind.OUTAGE, ResponseCategory.APP: IncidentKind.APP_ERROR}

_NOW: sa.ColumnElement[Any] = sa.func.now()
_SELECT_STATE = sa.select(
    Row.reason, Row.failed_mailbox_ids, Row.opened_at,
    sa.func.coalesce(sa.func.extract("epoch", Row.cooldown_until - _NOW), 0).label("cooldown_left"),
    sa.func.coalesce(Row.succeeded_at > _NOW - make_interval(RECENT_SECONDS), sa.false()).label("recently_succeeded"),
    sa.func.coalesce(Row.succeeded_at > _NOW - make_interval(RECENT_SECONDS / 2), sa.false()).label("is_fresh"),
).where(Row.client_id == sa.bindparam("client_id"))  # fmt: skip
_CLOSED_VALUES: dict[str, Any] = {
    "reason": None, "failed_mailbox_ids": [], "opened_at": None, "cooldown_seconds": 0, "probe_until": None,
    "succeeded_at": _NOW,
}  # fmt: skip
_CLOSE_STATEMENT = (
    insert(Row)
    .values(client_id=sa.bindparam("client_id"), **_CLOSED_VALUES)
    .on_conflict_do_update(
        index_elements=[Row.client_id],
        # A pause that Google requested applies to all processes, also after the response to an earlier request.
        set_=_CLOSED_VALUES | {"cooldown_until": sa.case((Row.opened_at.is_(None), Row.cooldown_until))},
    )
)


@dataclass(frozen=True, kw_only=True)
class RequestOutcome:
    """The outcome of one token request."""

    mailbox_id: int
    reason: Reason
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class _BreakerState:
    """The stored state as it was read."""

    reason: str | None
    failed_mailbox_ids: Sequence[int]
    opened_at: datetime | None
    cooldown_left: float
    recently_succeeded: bool
    is_fresh: bool

    @property
    def is_cooling_down(self) -> bool:
        return self.cooldown_left > 0

    @property
    def is_clean(self) -> bool:
        return self.reason is None and not self.failed_mailbox_ids and self.opened_at is None


class CircuitBreaker:
    """Check and update the circuit breaker of one OAuth client. Every method is one or two short transactions.

    Args:
        lease: seconds in which no second probe is allowed; longer than a request.
    """

    def __init__(self, engine: sa.Engine, client_id: str, *, lease: int = 60) -> None:
        self._engine, self._client_id, self._lease = engine, client_id, lease
        self._state: _BreakerState | None = None
        self.probing = False
        """Whether the last request that was allowed is the probe of an open breaker."""

    @property
    def recently_succeeded(self) -> bool:
        """Return whether a grant of this client was refreshed recently, as of the last check."""
        return self._state is not None and self._state.recently_succeeded

    @property
    def cooldown_left(self) -> float:
        """Return the seconds until a request may be sent, as of the last check."""
        return max(0.0, float(self._state.cooldown_left)) if self._state else 0.0

    def blocked_reason(self) -> Reason | None:
        """Return why no request may be sent now, or None if one may."""
        self.probing = False
        self._state = self._read_state()
        if self._state is None or not (self._state.is_cooling_down or self._state.opened_at):
            return None
        if not self._state.is_cooling_down and self._claim_probe():
            self.probing = True
            return None
        return REASONS.look_up(self._state.reason, "unreachable")

    def record_outcomes(self, outcomes: Iterable[RequestOutcome]) -> None:
        """Record the outcomes of token requests, in the order of their responses."""
        succeeded, failed, throttled = False, list[RequestOutcome](), None
        for outcome in outcomes:
            category = outcome.reason.category
            if category is ResponseCategory.THROTTLED:
                throttled = outcome
            elif category not in _INCIDENT_KINDS:
                # Any response about a grant shows that Google was reachable and accepted the client.
                succeeded, failed = True, []
            elif outcome.reason.code != "write_failed":
                failed.append(outcome)
        if succeeded:
            self._record_success()
        if throttled:
            self._record_throttling(throttled)
        if failed:
            self._record_failures(failed)

    def _read_state(self) -> _BreakerState | None:
        with autocommit(self._engine) as connection:
            row = connection.execute(_SELECT_STATE, {"client_id": self._client_id}).one_or_none()
        return _BreakerState(**row._mapping) if row else None

    def _claim_probe(self) -> bool:
        statement = (
            sa.update(Row)
            .where(
                Row.client_id == self._client_id,
                Row.opened_at.is_not(None),
                Row.cooldown_until <= sa.func.now(),
                sa.or_(Row.probe_until.is_(None), Row.probe_until <= sa.func.now()),
            )
            .values(probe_until=sa.func.now() + make_interval(self._lease))
        )
        with write_transaction(self._engine) as connection:
            return connection.execute(statement).rowcount == 1

    def _record_success(self) -> None:
        """Record a success; write nothing if the row already contains a recent one."""
        if self._state and self._state.is_clean and self._state.is_fresh:
            return
        with write_transaction(self._engine) as connection:
            connection.execute(_CLOSE_STATEMENT, {"client_id": self._client_id})
            close_incidents(connection, *_INCIDENT_KINDS.values(), key=self._client_id)
        self._state = _BreakerState(
            reason=None,
            failed_mailbox_ids=(),
            opened_at=None,
            cooldown_left=0,
            recently_succeeded=True,
            is_fresh=True,
        )

    def _record_throttling(self, outcome: RequestOutcome) -> None:
        """Pause all requests for the time that Google named, a day at most; a shorter pause ends no longer one."""
        until = sa.func.now() + make_interval(outcome.retry_after or THROTTLED_COOLDOWN_SECONDS)
        with write_transaction(self._engine) as connection:
            row = self._lock_row(connection)
            if row.opened_at is None:
                until = sa.func.greatest(until, Row.cooldown_until)  # ignores NULL
                self._update_row(connection, reason=outcome.reason.code, cooldown_until=until)

    def _record_failures(self, failed: list[RequestOutcome]) -> None:
        """Count failures of different mailboxes and open at the threshold; wait longer after a failed probe."""
        last = failed[-1].reason
        with write_transaction(self._engine) as connection:
            row = self._lock_row(connection)
            if row.opened_at is not None:
                if self.probing:
                    self._open_breaker(connection, last, seconds=row.cooldown_seconds * 2, newly_opened=False)
                return
            former = REASONS.look_up(row.reason, "unreachable") if row.reason is not None else None
            same_category = former is not None and former.category is last.category
            mailbox_ids = {outcome.mailbox_id for outcome in failed if outcome.reason.category is last.category}
            mailbox_ids |= set(row.failed_mailbox_ids) if same_category else set()
            if last.code in OPENS_IMMEDIATELY or len(mailbox_ids) >= FAILURE_THRESHOLDS[last.category]:
                self._open_breaker(connection, last, seconds=0, newly_opened=True)
            else:
                self._update_row(connection, reason=last.code, failed_mailbox_ids=sorted(mailbox_ids))

    def _open_breaker(self, connection: sa.Connection, reason: Reason, *, seconds: int, newly_opened: bool) -> None:
        initial, maximum = COOLDOWN_SECONDS[reason.category]
        cooldown = min(maximum, max(initial, seconds))
        values: dict[str, Any] = {"opened_at": sa.func.now()} if newly_opened else {}
        self._update_row(
            connection,
            reason=reason.code,
            cooldown_seconds=cooldown,
            cooldown_until=sa.func.now() + make_interval(cooldown),
            failed_mailbox_ids=[],
            probe_until=None,
            **values,
        )
        kind = _INCIDENT_KINDS[reason.category]
        # An outage may turn out to be a refused client, and the other way round: the incident then changes its kind.
        other = next(other for other in _INCIDENT_KINDS.values() if other is not kind)
        close_incidents(connection, other, key=self._client_id)
        open_incident(connection, kind, key=self._client_id, reason=reason.code)

    def _lock_row(self, connection: sa.Connection) -> sa.Row[Any]:
        connection.execute(insert(Row).values(client_id=self._client_id).on_conflict_do_nothing())
        columns: tuple[Any, ...] = (Row.reason, Row.failed_mailbox_ids, Row.opened_at, Row.cooldown_seconds)
        query = sa.select(*columns).where(Row.client_id == self._client_id)
        return connection.execute(query.with_for_update()).one()

    def _update_row(self, connection: sa.Connection, **values: Any) -> None:
        connection.execute(sa.update(Row).where(Row.client_id == self._client_id).values(values))

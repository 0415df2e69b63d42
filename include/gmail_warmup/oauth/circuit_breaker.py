"""The breaker: whether Google is asked at all for the grants of one OAuth client, over all processes and machines.

It opens when Google refuses the client itself, and when one mailbox after the other fails with nothing in between that
worked. While it is open nobody asks, but for one probe now and then; the first success closes it. Opening it raises
one incident, closing it ends that. Valid access tokens are served all the while.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import Breaker as Row
from gmail_warmup.db.models import IncidentKind
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from gmail_warmup.oauth.reasons import REASONS, Reason

OPENS_IMMEDIATELY = frozenset(
    {
        "invalid_client", "deleted_client", "disabled_client", "api_disabled",
        "service_account_missing", "service_account_key",
    }
)  # fmt: skip
"""Answers that concern the client alone; other refusals of the app may be about one grant, and are counted first."""
FAILURE_THRESHOLDS = {ResponseCategory.TRANSIENT: 10, ResponseCategory.APP: 3}
"""So many different mailboxes have to fail in a row."""
COOLDOWN_SECONDS = {ResponseCategory.TRANSIENT: (15, 300), ResponseCategory.APP: (60, 900)}
"""Seconds until a probe is allowed: at first, and at most; they double with each probe that fails."""
THROTTLED_COOLDOWN_SECONDS = 5
RECENT_SECONDS = 600
"""Seconds for which a success counts as "others on the same client succeed just now"."""

_INCIDENT_KINDS = {ResponseCategory.TRANSIENT: IncidentKind.OUTAGE, ResponseCategory.APP: IncidentKind.APP_ERROR}

_NOW: sa.ColumnElement[Any] = sa.func.now()
_SELECT_STATE = sa.select(
    Row.reason, Row.failures, Row.opened_at,
    sa.func.coalesce(Row.cooldown_until > _NOW, sa.false()).label("quiet"),
    sa.func.coalesce(Row.succeeded_at > _NOW - interval(RECENT_SECONDS), sa.false()).label("lately"),
    sa.func.coalesce(Row.succeeded_at > _NOW - interval(RECENT_SECONDS / 2), sa.false()).label("fresh"),
).where(Row.client_id == sa.bindparam("client_id"))  # fmt: skip
_CLOSED_VALUES: dict[str, Any] = {
    "reason": None, "failures": 0, "last_mailbox_id": None, "opened_at": None, "cooldown_seconds": 0,
    "probe_until": None,
    "succeeded_at": _NOW,
}  # fmt: skip
_CLOSE_STATEMENT = (
    insert(Row)
    .values(client_id=sa.bindparam("client_id"), **_CLOSED_VALUES)
    .on_conflict_do_update(
        index_elements=[Row.client_id],
        # The pause that Google asked for holds for everybody, also after an answer to an earlier request.
        set_=_CLOSED_VALUES | {"cooldown_until": sa.case((Row.opened_at.is_(None), Row.cooldown_until))},
    )
)


@dataclass(frozen=True, kw_only=True)
class RequestOutcome:
    """How one token request ended."""

    mailbox_id: int
    reason: Reason
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class _BreakerState:
    """The row as it was read."""

    reason: str | None
    failures: int
    opened_at: datetime | None
    quiet: bool
    lately: bool
    fresh: bool

    @property
    def is_clean(self) -> bool:
        return self.reason is None and self.failures == 0 and self.opened_at is None


class CircuitBreaker:
    """Ask and tell the breaker of one OAuth client. Every method is one or two short transactions.

    Args:
        lease: seconds for which a probe is alone; longer than its request.
    """

    def __init__(self, engine: sa.Engine, client_id: str, *, lease: int = 60) -> None:
        self._engine, self._client_id, self._lease = engine, client_id, lease
        self._seen: _BreakerState | None = None
        self.probing = False
        """Whether the permission given last was the one probe of an open breaker."""

    @property
    def recently_succeeded(self) -> bool:
        """Tell whether a grant of this client was refreshed lately, as far as was seen at the last question."""
        return self._seen is not None and self._seen.lately

    def blocked_reason(self) -> Reason | None:
        """Return why Google must not be asked now, or None if it may."""
        self.probing = False
        self._seen = self._read_state()
        if self._seen is None or not (self._seen.quiet or self._seen.opened_at):
            return None
        if not self._seen.quiet and self._claim_probe():
            self.probing = True
            return None
        return REASONS[self._seen.reason or "unreachable"]

    def record_outcomes(self, outcomes: Iterable[RequestOutcome]) -> None:
        """Tell how token requests ended, in the order of their answers."""
        worked, failed, throttled = False, list[RequestOutcome](), None
        for outcome in outcomes:
            kind = outcome.reason.category
            if kind is ResponseCategory.THROTTLED:
                throttled = outcome
            elif kind not in _INCIDENT_KINDS:
                # Whatever Google says about a grant, it accepted the client and was there.
                worked, failed = True, []
            elif outcome.reason.code != "write_failed":
                failed.append(outcome)
        if worked:
            self._record_success()
        if throttled:
            self._record_throttling(throttled)
        if failed:
            self._record_failures(failed)

    def _read_state(self) -> _BreakerState | None:
        with connect_autocommit(self._engine) as connection:
            found = connection.execute(_SELECT_STATE, {"client_id": self._client_id}).one_or_none()
        return _BreakerState(**found._mapping) if found else None

    def _claim_probe(self) -> bool:
        statement = (
            sa.update(Row)
            .where(
                Row.client_id == self._client_id,
                Row.opened_at.is_not(None),
                Row.cooldown_until <= sa.func.now(),
                sa.or_(Row.probe_until.is_(None), Row.probe_until <= sa.func.now()),
            )
            .values(probe_until=sa.func.now() + interval(self._lease))
        )
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def _record_success(self) -> None:
        """Note a success; nothing is written where the row says so already."""
        if self._seen and self._seen.is_clean and self._seen.fresh:
            return
        with self._engine.begin() as connection:
            connection.execute(_CLOSE_STATEMENT, {"client_id": self._client_id})
            close_incidents(connection, *_INCIDENT_KINDS.values(), key=self._client_id)
        self._seen = _BreakerState(reason=None, failures=0, opened_at=None, quiet=False, lately=True, fresh=True)

    def _record_throttling(self, outcome: RequestOutcome) -> None:
        seconds = min(outcome.retry_after or THROTTLED_COOLDOWN_SECONDS, 900)
        with self._engine.begin() as connection:
            row = self._lock_row(connection)
            if row.opened_at is None:
                until = sa.func.now() + interval(seconds)
                self._update_row(connection, reason="throttled", cooldown_until=until)

    def _record_failures(self, failed: list[RequestOutcome]) -> None:
        """Count failures of different mailboxes; open when they are enough, stay open longer when a probe fails."""
        last = failed[-1].reason
        with self._engine.begin() as connection:
            row = self._lock_row(connection)
            if row.opened_at is not None:
                if self.probing:
                    self._open_breaker(connection, last, seconds=row.cooldown_seconds * 2, anew=False)
                return
            same_kind = row.reason is not None and REASONS[row.reason].category is last.category
            alike = [outcome for outcome in failed if outcome.reason.category is last.category]
            before = {row.last_mailbox_id} if same_kind else set[int]()
            count = (row.failures if same_kind else 0) + len({outcome.mailbox_id for outcome in alike} - before)
            if last.code in OPENS_IMMEDIATELY or count >= FAILURE_THRESHOLDS[last.category]:
                self._open_breaker(connection, last, seconds=0, anew=True)
            else:
                self._update_row(connection, reason=last.code, failures=count, last_mailbox_id=failed[-1].mailbox_id)

    def _open_breaker(self, connection: sa.Connection, reason: Reason, *, seconds: int, anew: bool) -> None:
        first, most = COOLDOWN_SECONDS[reason.category]
        quiet = min(most, max(first, seconds))
        values: dict[str, Any] = {"opened_at": sa.func.now()} if anew else {}
        self._update_row(
            connection, reason=reason.code, cooldown_seconds=quiet, cooldown_until=sa.func.now() + interval(quiet),
            probe_until=None, **values,
        )  # fmt: skip
        kind = _INCIDENT_KINDS[reason.category]
        # What began as an outage and turns out to be a refused client, or the other way round, is told as what it is.
        other = next(other for other in _INCIDENT_KINDS.values() if other is not kind)
        close_incidents(connection, other, key=self._client_id)
        open_incident(connection, kind, key=self._client_id, reason=reason.code)

    def _lock_row(self, connection: sa.Connection) -> sa.Row[Any]:
        connection.execute(insert(Row).values(client_id=self._client_id).on_conflict_do_nothing())
        columns: tuple[Any, ...] = (Row.reason, Row.failures, Row.last_mailbox_id, Row.opened_at, Row.cooldown_seconds)
        query = sa.select(*columns).where(Row.client_id == self._client_id)
        return connection.execute(query.with_for_update()).one()

    def _update_row(self, connection: sa.Connection, **values: Any) -> None:
        connection.execute(sa.update(Row).where(Row.client_id == self._client_id).values(values))

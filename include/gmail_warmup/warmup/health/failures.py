"""Mailboxes that do not work: since when their tasks have been failing although they should work, and the last cause.

A task records its failure if the cause concerns its mailbox, and the first task that Gmail answers ends it. Problems of
the whole installation (open breaker, kill switch, refused client, leased mailbox, database) are not recorded. Causes
that an outage has as well are recorded, but do not count while an outage is known.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.core.enums import GrantState, IncidentKind
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import Incident, Mailbox, MailboxFailure, OAuthGrant
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.oauth.errors import CircuitOpenError, GrantError, TransientGrantError
from gmail_warmup.oauth.incidents import close_incidents, open_incident
from gmail_warmup.warmup.content.template_library import NoTemplatesError

log = logging.getLogger(__name__)

_F = MailboxFailure
_NOW: sa.ColumnElement[Any] = sa.func.now()
_MAX_GAP_SECONDS = 86_400
"""Failures that are further apart belong to different periods: in between no task was due."""
_MAX_DETAIL = 500
_OUTAGE_REASONS = ("unreachable", "server_error", "throttled", "not_json", "tls_untrusted", "proxy_failed")
"""Causes that concern all mailboxes during an outage, and a single one otherwise."""
_OUTAGE_MIN_MAILBOXES, _OUTAGE_MIN_SECONDS = 3, 1800
"""An outage: so many mailboxes, and more than half of all, have been failing for so long with such causes."""
_NOT_ABOUT_ONE_MAILBOX = (
    gmail_errors.GmailApiDisabledError,
    gmail_errors.ProjectQuotaError,
    gmail_errors.SendingLimitError,
    CircuitOpenError,
)

_OUTAGE_IS_OPEN = sa.exists().where(
    Incident.kind.in_((IncidentKind.OUTAGE, IncidentKind.APP_ERROR)), Incident.closed_at.is_(None)
)
IS_FAILING = sa.exists().where(_F.mailbox_id == Mailbox.id, _F.ended_at.is_(None)).correlate(Mailbox)
"""SQL condition: the last tasks of a mailbox failed, however long ago that began."""
_COUNTS = sa.and_(
    _F.ended_at.is_(None), _F.not_working_at <= _NOW, sa.or_(_F.reason.not_in(_OUTAGE_REASONS), ~_OUTAGE_IS_OPEN)
)
_USABLE_STATES = (GrantState.ACTIVE, GrantState.SUSPECT)
IS_NOT_WORKING = sa.and_(
    Mailbox.id.in_(sa.select(_F.mailbox_id).where(_COUNTS)),
    Mailbox.paused_at.is_(None),
    OAuthGrant.state.in_(_USABLE_STATES),
)
"""SQL condition: a mailbox does not work although it should. The query joins mailbox and grant."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The cause of a failed task: a reason code, and a sentence with Google's status and reason; no secrets."""

    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class FailurePeriod:
    """The period in which the tasks of a mailbox have been failing.

    Attributes:
        is_not_working: whether it has lasted for the time after which the mailbox counts as not working.
    """

    since: datetime
    last_at: datetime
    failures: int
    reason: str
    detail: str
    is_not_working: bool


def find_failure(error: BaseException) -> Failure | None:
    """Return the cause of a failed task, or None if it does not concern the mailbox of the task."""
    if isinstance(error, _NOT_ABOUT_ONE_MAILBOX):
        return None
    if isinstance(error, gmail_errors.GmailError):
        return Failure(reason=error.meaning.code, detail=_remove_address(error, error.address))
    if isinstance(error, TransientGrantError):
        return Failure(reason=error.reason.code, detail=_remove_address(error, error.address))
    if isinstance(error, NoTemplatesError):
        return Failure(reason=error.reason, detail=str(error)[:_MAX_DETAIL])
    if isinstance(error, GmailWarmupError | GrantError | SQLAlchemyError) or not isinstance(error, Exception):
        return None
    return Failure(reason="unexpected_error", detail=f"The task failed with {type(error).__name__}.")


def _remove_address(error: Exception, address: str) -> str:
    return str(error).removeprefix(f"{address}: ")[:_MAX_DETAIL]


@contextmanager
def track_failures(
    engine: sa.Engine, mailbox_id: int, gmail: GmailClient, *, is_failing: bool, after: int
) -> Iterator[None]:
    """Run a task in the body; record its failure, or the end of the failures of its mailbox.

    Args:
        is_failing: whether earlier tasks of the mailbox failed.
        after: seconds after which a mailbox whose tasks fail counts as not working.
    """
    try:
        yield
    except Exception as error:
        if failure := find_failure(error):
            _record_failure(engine, mailbox_id, failure, after=after)
        raise
    if is_failing and gmail.has_answered:
        with autocommit(engine) as connection:
            end_failures(connection, mailbox_id)


def _record_failure(engine: sa.Engine, mailbox_id: int, failure: Failure, *, after: int) -> None:
    """Record a failure. An error of the database never hides the error of the task."""
    begun_at = _NOW + make_interval(after)
    statement = insert(_F).values(
        mailbox_id=mailbox_id, not_working_at=begun_at, reason=failure.reason, detail=failure.detail
    )
    is_new = sa.and_(_F.last_at < _NOW - make_interval(_MAX_GAP_SECONDS), _F.alert_id.is_(None))
    changes = {
        "since": sa.case((is_new, _NOW), else_=_F.since),
        "not_working_at": sa.case((is_new, begun_at), else_=_F.not_working_at),
        "failures": sa.case((is_new, 1), else_=_F.failures + 1),
        "last_at": _NOW,
        "reason": failure.reason,
        "detail": failure.detail,
        "ended_at": None,
    }
    try:
        with autocommit(engine) as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=[_F.mailbox_id], set_=changes))
    except SQLAlchemyError as error:
        log_event(log, logging.WARNING, "The failure of this task is not recorded: %s", type(error).__name__)


def end_failures(connection: sa.Connection, mailbox_id: int) -> None:
    """End the failures of a mailbox that works again; a row whose alert was written is kept until that is reported."""
    row = _F.mailbox_id == mailbox_id
    connection.execute(sa.delete(_F).where(row, _F.alert_id.is_(None)))
    connection.execute(sa.update(_F).where(row, _F.ended_at.is_(None)).values(ended_at=_NOW))


_SELECT_FAILING = (
    sa.select(
        _F.mailbox_id, _F.since, _F.last_at, _F.failures, _F.reason, _F.detail, IS_NOT_WORKING.label("is_not_working")
    )
    .join(Mailbox, Mailbox.id == _F.mailbox_id)
    .join(OAuthGrant, OAuthGrant.mailbox_id == _F.mailbox_id)
    .where(_F.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))), _F.ended_at.is_(None))
)  # fmt: skip


def load_failures(connection: sa.Connection, mailbox_ids: Collection[int]) -> dict[int, FailurePeriod]:
    """Return the failures of the mailboxes that are failing, by mailbox id."""
    rows = [dict(row._mapping) for row in connection.execute(_SELECT_FAILING, {"ids": list(mailbox_ids)})]
    return {row.pop("mailbox_id"): FailurePeriod(**row) for row in rows}


def update_outage(connection: sa.Connection) -> None:
    """Open an incident if most mailboxes fail with causes of an outage; close it when they do not any more.

    Afterwards the mailboxes that have not had a successful task yet begin a new period.
    """
    is_hit = sa.and_(
        _F.ended_at.is_(None),
        _F.reason.in_(_OUTAGE_REASONS),
        _F.since <= _NOW - make_interval(_OUTAGE_MIN_SECONDS),
        _F.last_at > _NOW - make_interval(_MAX_GAP_SECONDS),
    )
    hit = connection.execute(
        sa.select(sa.func.count().label("mailboxes"), sa.func.mode().within_group(_F.reason).label("reason")).where(
            is_hit
        )
    ).one()
    if hit.mailboxes >= _OUTAGE_MIN_MAILBOXES and 2 * hit.mailboxes > _count_usable(connection):
        open_incident(connection, IncidentKind.OUTAGE, reason=hit.reason, detail={"mailboxes": hit.mailboxes})
    elif close_incidents(connection, IncidentKind.OUTAGE):
        restarted = {"since": _NOW, "not_working_at": _NOW + (_F.not_working_at - _F.since)}
        ongoing = sa.update(_F).where(_F.reason.in_(_OUTAGE_REASONS), _F.alert_id.is_(None))
        connection.execute(ongoing.values(restarted))


def _count_usable(connection: sa.Connection) -> int:
    query = sa.select(sa.func.count(Mailbox.id)).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    is_usable = sa.and_(Mailbox.paused_at.is_(None), OAuthGrant.state.in_(_USABLE_STATES))
    return int(connection.scalar(query.where(is_usable)) or 0)


def count_not_working(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    """Count the mailboxes that meet the conditions and do not work although they should."""
    query = sa.select(sa.func.count(Mailbox.id)).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    return int(connection.scalar(query.where(IS_NOT_WORKING, *conditions)) or 0)

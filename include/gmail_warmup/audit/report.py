"""The report of an audit: the state of all grants and the mailboxes that need a person.

It is stored as JSON in the table ``audit`` and in XCom; ``report_text`` formats it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from gmail_warmup.audit.results import UNREACHED_OUTCOMES, AuditOutcome, AuditResult
from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.models import ClientRegistration, GrantState, Mailbox, OAuthGrant
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.expiry import ExpiringGrant
from gmail_warmup.oauth.incidents import describe_open_incidents
from gmail_warmup.oauth.reasons import REASONS

log = logging.getLogger(__name__)

MAX_LISTED_FLAGGED = 100
"""Maximum number of flagged mailboxes in a report; the counts include all of them."""


@dataclass(frozen=True, kw_only=True)
class FlaggedMailbox:
    """A mailbox that needs a person, with the reason and the remedy as texts."""

    address: str
    state: str
    reason: str
    step: str


@dataclass(frozen=True, kw_only=True)
class ClientCounts:
    """The mailboxes whose grants an OAuth client issued."""

    conn_id: str
    mailboxes: int
    flagged: int


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The state of all grants after an audit; integers are numbers of mailboxes."""

    mailboxes: int = 0
    valid: int = 0
    refreshed: int = 0
    needs_reauth: int = 0
    blocked: int = 0
    suspect: int = 0
    deleted: int = 0
    disabled: int = 0
    expiring: int = 0
    not_reached: int = 0
    app_error: str | None = None
    """Reason code, if Google refused the OAuth client or our request."""
    attention: Sequence[FlaggedMailbox] = ()
    """The mailboxes that were flagged last."""
    expiring_list: Sequence[ExpiringGrant] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Number of responses that are not in the table of reasons, by status and error code."""
    incidents: Sequence[str] = ()
    """One text per open incident."""
    advice: Sequence[str] = ()
    """How to prevent grants from expiring for a known cause."""
    clients: Sequence[ClientCounts] = ()
    """The counts of each OAuth client, if there are several."""

    @property
    def flagged_count(self) -> int:
        """Return the number of mailboxes that need a person."""
        return self.needs_reauth + self.blocked + self.deleted + self.disabled

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for XCom and the table ``audit``."""
        return dataclasses.asdict(self) | {
            "attention": [dataclasses.asdict(mailbox) for mailbox in self.attention],
            "expiring_list": [dataclasses.asdict(grant) for grant in self.expiring_list],
            "unknown": dict(self.unknown),
            "incidents": list(self.incidents),
            "advice": list(self.advice),
            "clients": [dataclasses.asdict(client) for client in self.clients],
        }

    @classmethod
    @functools.cache
    def _build_adapter(cls) -> TypeAdapter[Self]:
        return TypeAdapter(cls)

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self:
        """Read a stored report; keys that an older version did not write, or all of an unusable one, have defaults."""
        names = {item.name for item in dataclasses.fields(cls)}
        items = values.items() if isinstance(values, Mapping) else ()
        known = {name: value for name, value in items if name in names and value is not None}
        try:
            return cls._build_adapter().validate_python(known)
        except ValidationError as error:
            log.error("A stored report is left out, because %d of its values break a rule", error.error_count())
            return cls()


def build_report(connection: sa.Connection, result: AuditResult, *, expiring_days: int) -> AuditReport:
    """Combine the result of an audit with the present state of all grants."""
    states = _count_by_state(connection)
    active, refreshed = states.get(GrantState.ACTIVE, 0), result.count(AuditOutcome.REFRESHED)
    not_reached = result.count(*UNREACHED_OUTCOMES.values())
    expiring, expiring_list = expiry.list_expiring_grants(connection, days=expiring_days)
    return AuditReport(
        mailboxes=sum(states.values()),
        valid=max(0, active - refreshed - not_reached),
        refreshed=refreshed,
        needs_reauth=states.get(GrantState.NEEDS_REAUTH, 0),
        blocked=states.get(GrantState.BLOCKED_BY_ADMIN, 0),
        suspect=states.get(GrantState.SUSPECT, 0),
        deleted=states.get(GrantState.ACCOUNT_DELETED, 0),
        disabled=states.get(GrantState.DISABLED, 0),
        expiring=expiring,
        not_reached=not_reached,
        app_error=result.app_error,
        attention=_list_flagged(connection),
        expiring_list=expiring_list,
        unknown=result.unknown_responses,
        incidents=describe_open_incidents(connection),
        advice=expiry.list_advice(connection),
        clients=_count_by_client(connection),
    )


def _count_by_state(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(OAuthGrant.state, sa.func.count().label("mailboxes")).group_by(OAuthGrant.state)
    return {row.state: row.mailboxes for row in connection.execute(query)}


def _count_by_client(connection: sa.Connection) -> list[ClientCounts]:
    query = (
        sa.select(
            ClientRegistration.conn_id,
            sa.func.count(OAuthGrant.mailbox_id).label("mailboxes"),
            sa.func.count().filter(OAuthGrant.state.in_(FLAGGED_STATES)).label("flagged"),
        )
        .outerjoin(OAuthGrant, OAuthGrant.client_id == ClientRegistration.client_id)
        .group_by(ClientRegistration.conn_id)
        .order_by(ClientRegistration.conn_id)
    )
    found = [ClientCounts(**row._mapping) for row in connection.execute(query)]
    return found if len(found) > 1 else []


def _list_flagged(connection: sa.Connection) -> list[FlaggedMailbox]:
    query = (
        sa.select(Mailbox.address, OAuthGrant.state, OAuthGrant.reason)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(OAuthGrant.state.in_(FLAGGED_STATES))
        .order_by(OAuthGrant.state_since.desc(), Mailbox.address)
        .limit(MAX_LISTED_FLAGGED)
    )
    return [_to_flagged_mailbox(row) for row in connection.execute(query)]


def _to_flagged_mailbox(row: Any) -> FlaggedMailbox:
    reason = REASONS.look_up(row.reason, "never_granted")
    return FlaggedMailbox(address=row.address, state=row.state, reason=reason.message, step=reason.remedy)

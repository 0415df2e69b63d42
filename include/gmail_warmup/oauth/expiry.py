"""Predict when a grant expires, infer why it expired, and advise how to prevent it.

Sources: Google's ``refresh_token_expires_in``; "a refresh token that has not been used for six months" and "a consent
screen in Testing: seven days" from Google's "Using OAuth 2.0", section "Refresh token expiration".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.clock import bound_time, make_interval
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.locks import lock_grants
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason

IDLE_LIFETIME = timedelta(days=180)
"""A refresh token expires after this time without use."""
TESTING_LIFETIME = timedelta(days=7)
"""A refresh token expires after this time if the OAuth app had the publishing status Testing."""
MAX_LISTED_EXPIRING = 100
"""Maximum number of mailboxes in a list of expiring grants; the count includes all of them."""

_TOLERANCE = timedelta(hours=12)
_HAS_TESTING_LIFETIME = (bound_time(OAuthGrant.refresh_expires_at) - bound_time(OAuthGrant.granted_at)).between(
    TESTING_LIFETIME - _TOLERANCE, TESTING_LIFETIME + _TOLERANCE
)
_TESTING_SIGN_SECONDS = 30 * 86_400

EXPIRES_AT: sa.ColumnElement[Any] = sa.func.least(
    bound_time(OAuthGrant.refresh_expires_at),
    sa.func.coalesce(bound_time(OAuthGrant.refreshed_at), bound_time(OAuthGrant.granted_at))
    + make_interval(IDLE_LIFETIME.total_seconds()),
    type_=sa.DateTime(timezone=True),
)
"""SQL: when a grant expires if it is not used or renewed; NULL if unknown."""

CAN_EXPIRE = sa.and_(OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT)), Mailbox.auth == MailboxAuth.GRANT)
"""SQL condition: the mailbox has a working grant, whose expiry can be predicted. The query joins the mailbox."""

PUBLISH_APP_ADVICE = (
    "The OAuth app has the publishing status 'Testing', in which every grant expires seven days after the consent. "
    "Publish it in the Google Cloud console (Google Auth Platform, Audience, Publish app), then sign in again with "
    "each of these mailboxes: Google does not say that publishing extends an existing grant."
)
"""Source: https://support.google.com/cloud/answer/15549945"""


@dataclass(frozen=True, kw_only=True)
class ExpiringGrant:
    """A grant with a predicted expiry; ``ends_at`` is in ISO 8601, ``days`` are left until then, rounded down."""

    address: str
    ends_at: str
    days: int


def infer_expiry_cause(grant: StoredGrant, reason: Reason) -> Reason:
    """Replace Google's "expired or revoked" by the likelier cause, if the dates of the grant indicate one."""
    if reason.code != "expired_or_revoked":
        return reason
    if grant.granted_at is not None and abs(grant.now - grant.granted_at - TESTING_LIFETIME) <= _TOLERANCE:
        return REASONS["expired_in_testing"]
    if grant.refreshed_at is not None and grant.now - grant.refreshed_at >= IDLE_LIFETIME:
        return REASONS["expired_idle"]
    return reason


def is_announced_expiry(grant: StoredGrant, reason: Reason) -> bool:
    """Return whether Google announced the expiry that this refusal reports, so that no second probe is needed."""
    expires_at = grant.refresh_expires_at
    announced = expires_at is not None and expires_at <= grant.now + timedelta(days=1)
    return reason.code == "expired_as_foretold" or announced


def estimate_expiry(record: MailboxRecord) -> datetime | None:
    """Return when a mailbox's working grant expires if it is not used or renewed, or None if unknown."""
    if record.auth is MailboxAuth.DELEGATED or record.state not in (GrantState.ACTIVE, GrantState.SUSPECT):
        return None
    used_at = record.refreshed_at or record.granted_at
    candidates = (record.refresh_expires_at, used_at + IDLE_LIFETIME if used_at else None)
    return min((expires_at for expires_at in candidates if expires_at is not None), default=None)


def expires_within(days: int) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a working grant expires within this number of days. The query joins the mailbox.

    Each date is compared separately, so that the index on it finds the few rows that match.
    """
    horizon = sa.func.now() + make_interval(days * 86_400)
    idle = horizon - make_interval(IDLE_LIFETIME.total_seconds())
    never_refreshed = sa.and_(OAuthGrant.refreshed_at.is_(None), OAuthGrant.granted_at < idle)
    near = sa.or_(OAuthGrant.refresh_expires_at < horizon, OAuthGrant.refreshed_at < idle, never_refreshed)
    return sa.and_(CAN_EXPIRE, near)


@retry_conflict
def update_expiring(engine: sa.Engine, *, days: int) -> int:
    """Mark the grants that expire within ``days`` and unmark the others; return the number of newly marked ones.

    A trigger records an event for each newly marked grant, so this reports a grant once per period.
    """
    expires = sa.func.coalesce(expires_within(days), sa.false())
    marked = OAuthGrant.expiring_at.is_not(None)
    joined = sa.select(OAuthGrant.mailbox_id).join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
    begins = joined.where(expires_within(days), ~marked)
    ends = joined.where(marked, ~expires)
    with write_transaction(engine) as connection:
        new, old = list(connection.scalars(begins)), list(connection.scalars(ends))
        lock_grants(connection, [*new, *old])
        mark = sa.update(OAuthGrant).where(OAuthGrant.mailbox_id.in_(begins.where(OAuthGrant.mailbox_id.in_(new))))
        number = connection.execute(mark.values(expiring_at=EXPIRES_AT)).rowcount if new else 0
        unmark = sa.update(OAuthGrant).where(OAuthGrant.mailbox_id.in_(ends.where(OAuthGrant.mailbox_id.in_(old))))
        if old:
            connection.execute(unmark.values(expiring_at=None))
    return number


def list_expiring_grants(connection: sa.Connection, *, days: int) -> tuple[int, list[ExpiringGrant]]:
    """Return the number of grants that expire within ``days``, and the first of them."""
    left = sa.func.extract("epoch", EXPIRES_AT - sa.func.now()) / 86_400
    query = (
        sa.select(
            Mailbox.address, EXPIRES_AT.label("ends_at"), left.label("left"), sa.func.count().over().label("total")
        )
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(expires_within(days))
        .order_by(EXPIRES_AT, Mailbox.address)
        .limit(MAX_LISTED_EXPIRING)
    )
    rows = connection.execute(query).all()
    return (rows[0].total if rows else 0), [_to_expiring_grant(row) for row in rows]


def _to_expiring_grant(row: sa.Row[Any]) -> ExpiringGrant:
    return ExpiringGrant(address=row.address, ends_at=row.ends_at.isoformat(), days=max(0, int(row.left)))


def count_testing_signs(connection: sa.Connection) -> int:
    """Count the signs of an app in Testing: working grants with a lifetime of seven days, and recent expiries at it."""
    active = sa.select(sa.func.count()).where(OAuthGrant.state == GrantState.ACTIVE, _HAS_TESTING_LIFETIME)
    expired = sa.select(sa.func.count(sa.distinct(GrantEvent.mailbox_id))).where(
        GrantEvent.reason == "expired_in_testing", GrantEvent.at > sa.func.now() - make_interval(_TESTING_SIGN_SECONDS)
    )
    announced = sa.select(sa.func.count()).where(OAuthGrant.reason == "expired_as_foretold", _HAS_TESTING_LIFETIME)
    return sum(int(connection.scalar(query) or 0) for query in (active, expired, announced))


def list_advice(connection: sa.Connection) -> list[str]:
    """Return what the operator should do so that grants stop expiring for a known cause."""
    return [PUBLISH_APP_ADVICE] if count_testing_signs(connection) else []

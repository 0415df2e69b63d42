"""When a grant will die, as far as that can be known beforehand, and what to do about the pattern.

Sources: Google's ``refresh_token_expires_in``; "a refresh token that has not been used for six months" and "a consent
screen in Testing: seven days" from Google's "Using OAuth 2.0", section "Refresh token expiration".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth.mass_refusal import IDLE_LIFETIME, TESTING_LIFETIME

MAX_LISTED_EXPIRING = 100
"""How many mailboxes are named; all are counted."""

_LAST_USED_AT = sa.func.coalesce(OAuthGrant.refreshed_at, OAuthGrant.granted_at)

EXPIRES_AT: sa.ColumnElement[Any] = sa.func.least(
    OAuthGrant.refresh_expires_at,
    _LAST_USED_AT + interval(IDLE_LIFETIME.total_seconds()),
    type_=sa.DateTime(timezone=True),
)
"""When a grant ends unless something is done; NULL where nothing is known of it."""

CAN_EXPIRE = sa.and_(OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT)), Mailbox.auth == MailboxAuth.GRANT)
"""Whether a grant has an end that can be foretold: it works, and it is one. The query joins the mailbox."""

_TOLERANCE = timedelta(hours=12)
_HAS_TESTING_LIFETIME = (OAuthGrant.refresh_expires_at - OAuthGrant.granted_at).between(
    TESTING_LIFETIME - _TOLERANCE, TESTING_LIFETIME + _TOLERANCE
)

PUBLISH_APP_ADVICE = (
    "The OAuth app is in 'Testing', where every grant ends seven days after the consent. Publish it in the Google "
    "Cloud console (Google Auth Platform, Audience, Publish app), then sign in again with each of these mailboxes: a "
    "grant from before the publishing keeps its seven days."
)


def estimate_expiry(record: MailboxRecord) -> datetime | None:
    """Return when a mailbox's working grant ends unless something is done, or None where nothing is known of it."""
    if record.auth is MailboxAuth.DELEGATED or record.state not in (GrantState.ACTIVE, GrantState.SUSPECT):
        return None
    used_at = record.refreshed_at or record.granted_at
    known = (record.refresh_expires_at, used_at + IDLE_LIFETIME if used_at else None)
    return min((end for end in known if end is not None), default=None)


def expires_within(days: int) -> sa.ColumnElement[bool]:
    """Return the condition that a working grant ends within so many days, as far as is known.

    The query joins the mailbox. Each end is compared by itself, so that its index finds the few that are near.
    """
    horizon = sa.func.now() + interval(days * 86_400)
    idle = horizon - interval(IDLE_LIFETIME.total_seconds())
    never_refreshed = sa.and_(OAuthGrant.refreshed_at.is_(None), OAuthGrant.granted_at < idle)
    near = sa.or_(OAuthGrant.refresh_expires_at < horizon, OAuthGrant.refreshed_at < idle, never_refreshed)
    return sa.and_(CAN_EXPIRE, near)


def list_expiring_grants(connection: sa.Connection, *, days: int) -> tuple[int, list[dict[str, Any]]]:
    """Count the grants that end within so many days, and name the first: address, ends_at (ISO 8601), days left."""
    left = sa.func.extract("epoch", EXPIRES_AT - sa.func.now()) / 86_400
    total = sa.func.count().over()
    query = (
        sa.select(Mailbox.address, EXPIRES_AT.label("ends_at"), left.label("left"), total.label("total"))
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(expires_within(days))
        .order_by(EXPIRES_AT, Mailbox.address)
        .limit(MAX_LISTED_EXPIRING)
    )
    found = connection.execute(query).all()
    listed = [
        {"address": row.address, "ends_at": row.ends_at.isoformat(), "days": max(0, int(row.left))} for row in found
    ]
    return (found[0].total if found else 0), listed


def count_testing_signs(connection: sa.Connection) -> int:
    """Count the signs of an app in Testing: living grants with seven days, and those that died at seven days lately."""
    living = sa.select(sa.func.count()).where(OAuthGrant.state == GrantState.ACTIVE, _HAS_TESTING_LIFETIME)
    died = sa.select(sa.func.count(sa.distinct(GrantEvent.mailbox_id))).where(
        GrantEvent.reason == "expired_in_testing", GrantEvent.at > sa.func.now() - interval(30 * 86_400)
    )
    foretold = sa.select(sa.func.count()).where(OAuthGrant.reason == "expired_as_foretold", _HAS_TESTING_LIFETIME)
    return sum(int(connection.scalar(query) or 0) for query in (living, died, foretold))


def list_advice(connection: sa.Connection) -> list[str]:
    """Return what the operator should do so that grants stop dying for a known cause."""
    return [PUBLISH_APP_ADVICE] if count_testing_signs(connection) else []

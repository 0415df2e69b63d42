"""The consents in progress: one row per link to Google's consent page, found again by its OAuth ``state``.

The state is valid once, until it expires, and only for the same user (or the same invite) and the same browser. State
and browser cookie are stored as hashes, the PKCE code verifier is encrypted.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import Consent, ConsentPurpose
from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError, ConsentRequest

_HOUR_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class BrowserSession:
    """The session of a browser: the Airflow user, or None if it followed an invite, and the value of our cookie."""

    user: str | None
    browser: str


@dataclass(frozen=True, kw_only=True)
class NewState:
    """The id and the secrets of a consent that was just started."""

    consent_id: int
    state: str = field(repr=False)
    verifier: str = field(repr=False)


def create_state(
    connection: sa.Connection,
    cipher: Cipher,
    request: ConsentRequest,
    session: BrowserSession,
    *,
    minutes: int,
    expires_by: datetime | None = None,
    client_conn_id: str,
    **columns: int,
) -> NewState:
    """Store a new consent.

    Args:
        minutes: the time limit of the consent.
        expires_by: end of the invite, if that is sooner.
        client_conn_id: the Connection of the OAuth client that the consent is given to.
        columns: ``mailbox_id`` and ``invite_id``, where there are any.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    state_hash = hash_value(state)
    expires_at = sa.func.now() + make_interval(minutes * 60)
    consent_id: int = connection.execute(
        sa.insert(Consent)
        .values(
            state_hash=state_hash,
            purpose=request.purpose,
            address=request.address,
            mailbox_settings=request.settings,
            code_verifier=cipher.encrypt(_build_verifier_owner(state_hash), verifier),
            airflow_user=session.user,
            browser_hash=hash_value(session.browser),
            client_conn_id=client_conn_id,
            expires_at=sa.func.least(expires_at, expires_by) if expires_by else expires_at,
            **columns,
        )
        .returning(Consent.id)
    ).scalar_one()
    return NewState(consent_id=consent_id, state=state, verifier=verifier)


def consume_state(engine: sa.Engine, state: str, session: BrowserSession) -> sa.Row[Any]:
    """Mark a state as used and return its row.

    Raises:
        ConsentRefusedError: the state is unknown, expired or already used.
    """
    own = (
        Consent.state_hash == hash_value(state),
        Consent.airflow_user.is_not_distinct_from(session.user),
        Consent.browser_hash == hash_value(session.browser),
    )
    consume = (
        sa.update(Consent)
        .where(*own, Consent.used_at.is_(None), Consent.expires_at > sa.func.now())
        .values(used_at=sa.func.now())
        .returning(*Consent.__table__.columns)
    )
    with write_transaction(engine) as connection:
        row = connection.execute(consume).one_or_none()
        if row is not None:
            return row
        existing = connection.execute(sa.select(*Consent.__table__.columns).where(*own)).one_or_none()
    if existing is None:
        raise ConsentRefusedError(ConsentRefusal.UNKNOWN_LINK)
    refusal = ConsentRefusal.REPLAYED_LINK if existing.used_at else ConsentRefusal.EXPIRED_LINK
    raise ConsentRefusedError(refusal, request=to_consent_request(existing))


def lock_consent(connection: sa.Connection, consent_id: int) -> bool:
    """Lock a consent until the transaction ends, before its mailbox; return False if the mailbox was removed.

    The removal of a mailbox deletes its consents, so that none that is on its way adds the mailbox again.
    """
    query = sa.select(Consent.id).where(Consent.id == consent_id).with_for_update(read=True, key_share=True)
    return connection.scalar(query) is not None


def belongs_to_invite(connection: sa.Connection, *, state: str, browser: str) -> bool:
    """Return whether this browser began the consent with this state by following an invite.

    The result for any other consent is the same as for an invented state.
    """
    query = sa.select(Consent.id).where(
        Consent.state_hash == hash_value(state),
        Consent.browser_hash == hash_value(browser),
        Consent.invite_id.is_not(None),
    )
    return connection.execute(query).one_or_none() is not None


def count_recent_consents(connection: sa.Connection, invite_id: int) -> int:
    """Return the number of consents that were started with an invite within the last hour."""
    recent = (Consent.invite_id == invite_id, Consent.created_at > sa.func.now() - make_interval(_HOUR_SECONDS))
    return connection.scalar(sa.select(sa.func.count()).where(*recent)) or 0


def decrypt_verifier(cipher: Cipher, consent: sa.Row[Any]) -> str:
    """Return the PKCE code verifier of a consent."""
    return cipher.decrypt(_build_verifier_owner(consent.state_hash), consent.code_verifier)


def record_outcome(engine: sa.Engine, consent_id: int, outcome: str) -> None:
    """Store how a consent ended."""
    with write_transaction(engine) as connection:
        connection.execute(sa.update(Consent).where(Consent.id == consent_id).values(outcome=outcome))


def to_consent_request(consent: sa.Row[Any]) -> ConsentRequest:
    """Return the purpose of a stored consent."""
    purpose = ConsentPurpose(consent.purpose)
    return ConsentRequest(
        address=consent.address, purpose=purpose, settings=consent.mailbox_settings, consent_id=consent.id
    )


def _build_verifier_owner(state_hash: str) -> str:
    return f"consent:{state_hash}"


def hash_value(value: str) -> str:
    """Return the hash under which a state or a browser cookie is stored."""
    return hashlib.sha256(value.encode()).hexdigest()

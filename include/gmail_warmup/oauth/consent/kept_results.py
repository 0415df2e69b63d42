"""Keep the result of a consent while a person decides what to do with it; the tokens are encrypted.

It is kept if the account that signed in has another primary address than expected: the account was renamed at Google,
or an alias was entered. The person may be wrong, so the mails of the mailbox are compared first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import Consent
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.oauth.answers import Answer
from gmail_warmup.oauth.consent.errors import Evidence
from gmail_warmup.oauth.consent.signed_in import fetch_message_id
from gmail_warmup.oauth.consent.states import BrowserSession, hash_value
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenEndpoint, TokenResult

_MAILS_COMPARED = 3


@dataclass(frozen=True, kw_only=True)
class KeptResult:
    """A consent whose result is kept: what was expected, who signed in, and the tokens."""

    consent: sa.Row[Any]
    address: str
    tokens: TokenResult


def load_recorded_mails(connection: sa.Connection, mailbox_id: int) -> Sequence[sa.Row[Any]]:
    """Return the ids of the last recorded mails of a mailbox."""
    return connection.execute(_select_recorded_mails(mailbox_id)).all()


def find_evidence(endpoint: TokenEndpoint, mails: Sequence[sa.Row[Any]], access_token: str) -> Evidence:
    """Compare recorded mails of a mailbox with those in the account of an access token."""
    if not mails:
        return Evidence.NONE
    is_unknown = False
    for mail in mails:
        found = fetch_message_id(endpoint, access_token, mail.gmail_id)
        if found == mail.rfc_message_id:
            return Evidence.CONFIRMED
        is_unknown = is_unknown or isinstance(found, Answer)
    return Evidence.UNKNOWN if is_unknown else Evidence.CONTRADICTED


def _select_recorded_mails(mailbox_id: int) -> sa.Select[Any]:
    sent = sa.select(L.id, L.gmail_id, L.rfc_message_id).where(L.sender_id == mailbox_id, L.gmail_id.is_not(None))
    received = sa.select(L.id, L.recipient_gmail_id, L.rfc_message_id).where(
        L.recipient_id == mailbox_id, L.recipient_gmail_id.is_not(None)
    )
    both = sa.union_all(sent, received).subquery()
    return sa.select(both).where(both.c.rfc_message_id.is_not(None)).order_by(both.c.id.desc()).limit(_MAILS_COMPARED)


def keep_result(
    connection: sa.Connection, cipher: Cipher, consent: sa.Row[Any], address: str, result: TokenResult, *, minutes: int
) -> None:
    """Store the result of a consent, encrypted, for some minutes; delete those that nobody decided on in time."""
    delete_expired(connection)
    values = {name: value for name, value in asdict(result).items() if name not in ("reason", "retry_after")}
    kept = cipher.encrypt(_build_owner(consent.id), json.dumps(values | {"at": datetime.now(UTC).isoformat()}))
    until = sa.func.now() + make_interval(minutes * 60)
    connection.execute(
        sa.update(Consent)
        .where(Consent.id == consent.id)
        .values(kept_result=kept, kept_until=until, actual_address=address)
    )


def find_result(
    connection: sa.Connection, cipher: Cipher, consent_id: int, session: BrowserSession
) -> KeptResult | None:
    """Return the kept result of a consent of this user and browser and lock it, or None if it no longer exists."""
    query = sa.select(*Consent.__table__.columns).where(
        Consent.id == consent_id,
        Consent.airflow_user == session.user,
        Consent.browser_hash == hash_value(session.browser),
        Consent.kept_until > sa.func.now(),
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        return None
    values = json.loads(cipher.decrypt(_build_owner(row.id), row.kept_result))
    age = datetime.now(UTC) - datetime.fromisoformat(values.pop("at"))
    return KeptResult(consent=row, address=row.actual_address, tokens=_to_result(values, age))


def _to_result(values: dict[str, Any], age: timedelta) -> TokenResult:
    seconds = int(age.total_seconds())
    values["expires_in"] = max(0, values["expires_in"] - seconds)
    if values["refresh_expires_in"]:
        values["refresh_expires_in"] = max(1, values["refresh_expires_in"] - seconds)
    return TokenResult(reason=REASONS["ok"], **(values | {"scopes": tuple(values["scopes"])}))


def delete_result(connection: sa.Connection, consent_id: int) -> None:
    """Delete the tokens of a kept result."""
    _delete_results(connection, Consent.id == consent_id)


def delete_expired(connection: sa.Connection) -> None:
    """Delete the tokens of the results that nobody decided on in time."""
    _delete_results(connection, Consent.kept_until <= sa.func.now())


def _delete_results(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.update(Consent).where(condition).values(kept_result=None, kept_until=None))


def _build_owner(consent_id: int) -> str:
    return f"kept-result:{consent_id}"

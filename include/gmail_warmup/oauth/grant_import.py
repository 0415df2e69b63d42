"""Store grants that were obtained elsewhere: thousands with a few statements, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from gmail_warmup.core.enums import GrantEventReason
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from gmail_warmup.db.models import GrantState, OAuthGrant
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_updates import VALUES_OF_NEW_GRANT, Transition, add_events

_G = OAuthGrant


@dataclass(frozen=True, kw_only=True)
class ImportedGrant:
    """A grant to import; an access token without an expiry is not imported, since it would count as valid indefinitely.

    The expiry of the refresh token and the time of the consent are only in our backups, not in google-auth's format.
    """

    refresh_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    refresh_expires_at: datetime | None = None
    granted_at: datetime | None = None


_COLUMNS: dict[str, Any] = {
    "client_id": sa.Text,
    "refresh_token": sa.Text,
    "refresh_expires_at": sa.DateTime(timezone=True),
    "access_token": sa.Text,
    "access_expires_at": sa.DateTime(timezone=True),
    "scopes": ARRAY(sa.Text),
    "granted_at": sa.DateTime(timezone=True),
}
_NEW = (
    sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
    .table_valued(sa.column("mailbox_id", sa.BigInteger), *(sa.column(name, kind) for name, kind in _COLUMNS.items()))
    .render_derived(name="new", with_types=True)
)
_REPLACE_GRANTS = (
    sa.update(_G)
    .where(_G.mailbox_id == _NEW.c.mailbox_id)
    .values({name: _NEW.c[name] for name in _COLUMNS} | VALUES_OF_NEW_GRANT | {"refreshed_at": None})
)
_LOCK_GRANTS = (
    sa.select(_G.mailbox_id, _G.state)
    .where(_G.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))
    .order_by(_G.mailbox_id)
    .with_for_update(key_share=True)
)


def import_grants(
    connection: sa.Connection, cipher: Cipher, grants: Mapping[int, ImportedGrant], *, actor: Actor
) -> None:
    """Replace the grants of these mailboxes, by mailbox id; the next audit probes them."""
    if not grants:
        return
    before = connection.execute(_LOCK_GRANTS, {"ids": list(grants)}).all()
    rows = [_to_row(cipher, mailbox_id, grant) for mailbox_id, grant in grants.items()]
    connection.execute(_REPLACE_GRANTS, {"rows": rows})
    add_events(connection, _to_transitions(before), actor=actor)


def _to_row(cipher: Cipher, mailbox_id: int, grant: ImportedGrant) -> dict[str, Any]:
    owner = build_secret_owner(mailbox_id)
    access_token = grant.access_token if grant.expires_at else None
    return {
        "mailbox_id": mailbox_id,
        "client_id": grant.client_id,
        "refresh_token": cipher.encrypt(owner, grant.refresh_token),
        "refresh_expires_at": _to_text(grant.refresh_expires_at),
        "access_token": cipher.encrypt(owner, access_token) if access_token else None,
        "access_expires_at": _to_text(grant.expires_at) if access_token else None,
        "scopes": list(grant.scopes),
        "granted_at": _to_text(grant.granted_at),
    }


def _to_text(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _to_transitions(before: Iterable[Any]) -> list[Transition]:
    return [
        Transition(
            mailbox_id=row.mailbox_id, before=row.state, after=GrantState.ACTIVE, reason=GrantEventReason.IMPORTED
        )
        for row in before
    ]

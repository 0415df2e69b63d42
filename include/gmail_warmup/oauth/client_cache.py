"""The OAuth client in use, as the last plan read it from its Connection: what every task needs of it, without secrets.

A Connection costs a task and Airflow's api-server about as much as all statements of an action. A task needs the
client's secrets only when it refreshes an access token, which is about once an hour for each mailbox; the rest it finds
here.

The row is encrypted although nothing in it is secret: who can write rows and has no key must not be able to name the
address that access tokens are sent to. One that cannot be read counts as none, and the Connection is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.models import CachedClient
from gmail_warmup.oauth.token_endpoint import OAuthClient

OWNER = "client in use"

_READ = sa.select(CachedClient.ciphertext)
COLUMN = _READ.scalar_subquery().label("client")
"""The row, as a column of another query."""

_NEW = insert(CachedClient).values(id=1, ciphertext=sa.bindparam("ciphertext"))
_WRITE = _NEW.on_conflict_do_update(index_elements=[CachedClient.id], set_={"ciphertext": _NEW.excluded.ciphertext})


@dataclass(frozen=True, kw_only=True)
class KnownClient:
    """What is known of the OAuth client without its secrets; see ``OAuthClient``."""

    client_id: str
    api_endpoint: str | None

    @classmethod
    def of(cls, client: OAuthClient) -> KnownClient:
        """Return what may be known of a client."""
        return cls(client_id=client.client_id, api_endpoint=client.api_endpoint)


def read(ciphertext: str | None, cipher: Cipher) -> KnownClient | None:
    """Return the client of ``COLUMN``, or None where there is none that this package wrote under a known key."""
    if ciphertext is None:
        return None
    try:
        return KnownClient(**json.loads(cipher.decrypt(OWNER, ciphertext)))
    except (CiphertextError, ValueError, TypeError):  # or written by a version that knew more
        return None


def remember(connection: sa.Connection, cipher: Cipher, client: KnownClient) -> None:
    """Write the client down, where it is not there already."""
    if read(connection.scalar(_READ), cipher) != client:
        connection.execute(_WRITE, {"ciphertext": cipher.encrypt(OWNER, json.dumps(vars(client)))})

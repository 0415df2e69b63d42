"""Check that a process has the Fernet key of this database before it writes any secret.

The check decrypts the canary, a known text that was stored with the key. Without it, a process with a wrong key would
store secrets that no other process can decrypt, and would report every stored secret as unreadable.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.errors import CiphertextError, EncryptionKeyError, UnknownKeyError
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from gmail_warmup.db.models import Canary, OAuthGrant

CANARY_OWNER = "canary"
CANARY_TEXT = "gmail-warmup"
SAMPLE_SIZE = 5
"""Number of stored grants to decrypt before a canary is created."""

_SELECT_CANARY = sa.select(Canary.ciphertext)


def check_key(connection: sa.Connection, cipher: Cipher) -> None:
    """Decrypt the canary in one round trip; create it if it does not exist.

    Raises:
        EncryptionKeyError: if the canary was encrypted with another key or, without a canary, the stored grants were.
    """
    ciphertext = connection.scalar(_SELECT_CANARY)
    if ciphertext is None:
        _require_readable_grants(connection, cipher)
        insert_canary = (
            insert(Canary).values(id=1, ciphertext=cipher.encrypt(CANARY_OWNER, CANARY_TEXT)).on_conflict_do_nothing()
        )
        connection.execute(insert_canary)
        ciphertext = connection.execute(_SELECT_CANARY).scalar_one()  # another process may have won
    try:
        cipher.decrypt(CANARY_OWNER, ciphertext)
    except CiphertextError:
        raise _wrong_key_error("the database was set up with") from None


def _require_readable_grants(connection: sa.Connection, cipher: Cipher) -> None:
    """Refuse a key that decrypts none of the first grants; a single damaged row says nothing about the key."""
    query = sa.select(OAuthGrant.mailbox_id, OAuthGrant.refresh_token).where(OAuthGrant.refresh_token.is_not(None))
    rows = connection.execute(query.order_by(OAuthGrant.mailbox_id).limit(SAMPLE_SIZE)).all()
    if rows and not any(_can_decrypt(cipher, build_secret_owner(row.mailbox_id), row.refresh_token) for row in rows):
        raise _wrong_key_error("the stored grants are encrypted with")


def _can_decrypt(cipher: Cipher, owner: str, ciphertext: str | None) -> bool:
    assert ciphertext
    try:
        cipher.decrypt(owner, ciphertext)
    except UnknownKeyError:
        return False
    except CiphertextError:  # decrypted, but it belongs to another row
        return True
    return True


def _wrong_key_error(which: str) -> EncryptionKeyError:
    return EncryptionKeyError(
        f"AIRFLOW__CORE__FERNET_KEY is not the key that {which}; nothing was changed. Append the former key to "
        "the new one, separated by a comma, then run: gmail-warmup grants rotate"
    )

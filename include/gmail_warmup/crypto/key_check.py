"""The canary: one known text under the Fernet key, by which a process with a wrong key notices it before it writes.

Without it such a process would store new secrets that no other one can read, and find each stored one unreadable.
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
"""How many stored grants are tried before a canary is made."""

_SELECT_CANARY = sa.select(Canary.ciphertext)


def check_key(connection: sa.Connection, cipher: Cipher) -> None:
    """Compare the key with the stored canary, and make the canary where there is none yet; one round trip if it fits.

    Raises:
        EncryptionKeyError: if the canary is under another key, or there is none and the stored grants are.
    """
    ciphertext = connection.scalar(_SELECT_CANARY)
    if ciphertext is None:
        _require_readable_grants(connection, cipher)
        made = (
            insert(Canary).values(id=1, ciphertext=cipher.encrypt(CANARY_OWNER, CANARY_TEXT)).on_conflict_do_nothing()
        )
        connection.execute(made)
        ciphertext = connection.execute(_SELECT_CANARY).scalar_one()  # somebody else's, if two were first
    try:
        cipher.decrypt(CANARY_OWNER, ciphertext)
    except CiphertextError:
        raise _wrong_key_error("the database was set up with") from None


def _require_readable_grants(connection: sa.Connection, cipher: Cipher) -> None:
    """Refuse a key that reads none of the first grants; a single damaged row says nothing about the key."""
    query = sa.select(OAuthGrant.mailbox_id, OAuthGrant.refresh_token).where(OAuthGrant.refresh_token.is_not(None))
    found = connection.execute(query.order_by(OAuthGrant.mailbox_id).limit(SAMPLE_SIZE)).all()
    if found and not any(
        _can_decrypt(cipher, build_secret_owner(mailbox_id), ciphertext) for mailbox_id, ciphertext in found
    ):
        raise _wrong_key_error("the stored grants are under")


def _can_decrypt(cipher: Cipher, owner: str, ciphertext: str | None) -> bool:
    assert ciphertext
    try:
        cipher.decrypt(owner, ciphertext)
    except UnknownKeyError:
        return False
    except CiphertextError:  # decrypted, but another row's
        return True
    return True


def _wrong_key_error(which: str) -> EncryptionKeyError:
    return EncryptionKeyError(
        f"AIRFLOW__CORE__FERNET_KEY is not the key that {which}; nothing was changed. Put the former key behind the "
        "new one, separated by a comma, then run: gmail-warmup grants rotate"
    )

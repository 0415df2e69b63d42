"""Encryption of what is secret, with Airflow's Fernet keys and the mailbox inside the ciphertext."""

from __future__ import annotations

import json
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from gmail_warmup.core.errors import CiphertextError, EncryptionKeyError, UnknownKeyError


class FernetLike(Protocol):
    """What is needed of ``airflow.sdk.crypto.get_fernet()`` or of ``cryptography``'s MultiFernet."""

    def encrypt(self, msg: bytes) -> bytes:
        """Encrypt."""

    def decrypt(self, msg: bytes | str) -> bytes:
        """Decrypt."""


class Cipher:
    """Encrypt and decrypt secrets that belong to one owner each.

    The owner (``mailbox:<id>``, ``consent:<hash>``) is part of the encrypted text and compared on reading, so that a
    ciphertext copied to another row is refused.

    Raises:
        EncryptionKeyError: when built on a key that does not encrypt (Airflow's "null" Fernet).
    """

    def __init__(self, fernet: FernetLike) -> None:
        if not getattr(fernet, "is_encrypted", True):
            raise EncryptionKeyError(
                "AIRFLOW__CORE__FERNET_KEY is empty: tokens would be stored as plain text. Set it to a key made with: "
                "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            )
        self._fernet = fernet

    def encrypt(self, owner: str, secret: str) -> str:
        """Return the ciphertext of a secret, bound to its owner."""
        return self._fernet.encrypt(json.dumps([owner, secret]).encode()).decode()

    def decrypt(self, owner: str, ciphertext: str) -> str:
        """Return the secret.

        Raises:
            UnknownKeyError: if no key fits.
            CiphertextError: if the secret belongs to another owner.
        """
        try:
            found, secret = json.loads(self._fernet.decrypt(ciphertext.encode()))
        except InvalidToken:
            raise UnknownKeyError(
                f"The secret of {owner} cannot be decrypted: no key in AIRFLOW__CORE__FERNET_KEY fits. "
                "Put the former key behind the new one, separated by a comma."
            ) from None
        except (ValueError, TypeError):
            raise CiphertextError(f"The secret of {owner} is not one that this package wrote.") from None
        if found != owner:
            raise CiphertextError(f"The secret of {owner} belongs to {found}; it was moved between rows.")
        return str(secret)


def warm_up_openssl() -> None:
    """Let OpenSSL look its algorithms up here; processes that are forked afterwards inherit what it found."""
    cipher = Cipher(Fernet(Fernet.generate_key()))
    cipher.decrypt("", cipher.encrypt("", ""))


def load_airflow_cipher() -> Cipher:
    """Return the cipher on Airflow's own Fernet keys.

    Raises:
        EncryptionKeyError: if the key is empty or malformed.
    """
    from airflow.sdk.crypto import get_fernet
    from airflow.sdk.exceptions import AirflowException

    try:
        return Cipher(get_fernet())
    except AirflowException as error:
        raise EncryptionKeyError(
            f"AIRFLOW__CORE__FERNET_KEY is not a list of Fernet keys ({error}). Make one with: "
            "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from None


def build_secret_owner(mailbox_id: int) -> str:
    """Return the name that is bound into the ciphertexts of a mailbox."""
    return f"mailbox:{mailbox_id}"

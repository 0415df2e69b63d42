"""Encrypt secrets with Fernet keys and bind each ciphertext to its owner."""

from __future__ import annotations

import json
from typing import Protocol

from cryptography.fernet import InvalidToken

from gmail_warmup.core.errors import CiphertextError, EncryptionKeyError, UnknownKeyError

KEY_COMMAND = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
"""The shell command that generates a Fernet key."""


class FernetLike(Protocol):
    """The interface shared by Airflow's Fernet and by ``cryptography``'s Fernet and MultiFernet."""

    def encrypt(self, msg: bytes) -> bytes:
        """Encrypt."""

    def decrypt(self, msg: bytes | str) -> bytes:
        """Decrypt."""


class Cipher:
    """Encrypt and decrypt secrets, each of which belongs to one owner.

    The owner (``mailbox:<id>``, ``consent:<hash>``) is part of the encrypted text and is compared on decryption, so
    that a ciphertext copied to another row is refused.

    Raises:
        EncryptionKeyError: when built with a key that does not encrypt (Airflow's "null" Fernet).
    """

    def __init__(self, fernet: FernetLike) -> None:
        if not getattr(fernet, "is_encrypted", True):
            raise EncryptionKeyError(
                "AIRFLOW__CORE__FERNET_KEY is empty: tokens would be stored as plain text. Set it to a key generated "
                f"with: {KEY_COMMAND}"
            )
        self._fernet = fernet

    def encrypt(self, owner: str, secret: str) -> str:
        """Return the ciphertext of a secret, bound to its owner."""
        return self._fernet.encrypt(json.dumps([owner, secret]).encode()).decode()

    def decrypt(self, owner: str, ciphertext: str) -> str:
        """Return the secret.

        Raises:
            UnknownKeyError: if none of the keys decrypts it.
            CiphertextError: if the secret belongs to another owner, or this package did not write it.
        """
        try:
            actual_owner, secret = json.loads(self._fernet.decrypt(ciphertext.encode()))
            secret.encode()  # raises an error for a secret that is not valid text
        except InvalidToken:
            raise UnknownKeyError(
                f"The secret of {owner} cannot be decrypted: no key in AIRFLOW__CORE__FERNET_KEY fits. "
                "Append the former key to the new one, separated by a comma."
            ) from None
        except (ValueError, TypeError, AttributeError):
            raise CiphertextError(f"The secret of {owner} is not one that this package wrote.") from None
        if actual_owner != owner:
            raise CiphertextError(f"The secret of {owner} belongs to {actual_owner}; it was moved between rows.")
        return str(secret)


def build_secret_owner(mailbox_id: int) -> str:
    """Return the owner that is bound into the ciphertexts of a mailbox."""
    return f"mailbox:{mailbox_id}"

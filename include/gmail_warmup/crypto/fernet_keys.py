"""The Fernet keys one by one, newest first; everywhere else they are one cipher."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gmail_warmup.crypto.cipher import Cipher, load_airflow_cipher


class FernetKeys:
    """The Fernet keys, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._newest = fernets[0]
        self.cipher = Cipher(MultiFernet(fernets))
        self.count = len(fernets)

    def is_under_newest(self, owner: str, ciphertext: str) -> bool:
        """Tell whether a secret is under the newest key.

        Raises:
            CiphertextError: if no key fits, or the secret belongs to another owner.
        """
        self.cipher.decrypt(owner, ciphertext)
        try:
            self._newest.decrypt(ciphertext.encode())
        except InvalidToken:
            return False
        return True

    def reencrypt(self, owner: str, ciphertext: str) -> str:
        """Return the secret under the newest key; the ciphertext itself where it is so already.

        Raises:
            CiphertextError: if no key fits, or the secret belongs to another owner.
        """
        if self.is_under_newest(owner, ciphertext):
            return ciphertext
        return self.cipher.encrypt(owner, self.cipher.decrypt(owner, ciphertext))


def load_airflow_keys() -> FernetKeys:
    """Return Airflow's Fernet keys.

    Raises:
        EncryptionKeyError: if there is none, or one is malformed.
    """
    from airflow.sdk.configuration import conf

    load_airflow_cipher()
    return FernetKeys(conf.get("core", "fernet_key").split(","))

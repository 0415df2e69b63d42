"""Access the Fernet keys individually, newest first. All other code uses them as one cipher."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gmail_warmup.crypto.cipher import Cipher


class FernetKeys:
    """The Fernet keys, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._newest = fernets[0]
        self.cipher = Cipher(MultiFernet(fernets))
        self.count = len(fernets)

    def is_under_newest(self, owner: str, ciphertext: str) -> bool:
        """Return whether a secret is encrypted with the newest key.

        Raises:
            CiphertextError: if no key decrypts it, or the secret belongs to another owner.
        """
        self.cipher.decrypt(owner, ciphertext)
        try:
            self._newest.decrypt(ciphertext.encode())
        except InvalidToken:
            return False
        return True

    def reencrypt(self, owner: str, ciphertext: str) -> str:
        """Return the secret encrypted with the newest key; an unchanged ciphertext if it already is.

        Raises:
            CiphertextError: if no key decrypts it, or the secret belongs to another owner.
        """
        if self.is_under_newest(owner, ciphertext):
            return ciphertext
        return self.cipher.encrypt(owner, self.cipher.decrypt(owner, ciphertext))

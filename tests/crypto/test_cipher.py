"""Encryption: bound to its mailbox, by a key that encrypts."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, MultiFernet

from gmail_warmup.core.errors import CiphertextError, EncryptionKeyError
from gmail_warmup.crypto.cipher import Cipher

OLD, NEW = Fernet.generate_key(), Fernet.generate_key()


def cipher(*keys: bytes) -> Cipher:
    return Cipher(MultiFernet([Fernet(key) for key in keys]))


def test_what_was_encrypted_is_read_again():
    assert cipher(OLD).decrypt("mailbox:1", cipher(OLD).encrypt("mailbox:1", "1//secret")) == "1//secret"


def test_the_secret_is_not_in_the_ciphertext():
    assert "1//secret" not in cipher(OLD).encrypt("mailbox:1", "1//secret")


def test_a_former_key_still_reads():
    assert cipher(NEW, OLD).decrypt("mailbox:1", cipher(OLD).encrypt("mailbox:1", "1//secret")) == "1//secret"


@pytest.mark.parametrize(
    ("owner", "text", "said"),
    [
        ("mailbox:2", cipher(OLD).encrypt("mailbox:1", "1//secret"), "belongs to mailbox:1"),
        ("mailbox:1", cipher(NEW).encrypt("mailbox:1", "1//secret"), "no key in AIRFLOW__CORE__FERNET_KEY fits"),
        ("mailbox:1", "not a ciphertext", "cannot be decrypted"),
        ("mailbox:1", Fernet(OLD).encrypt(b"1//secret").decode(), "not one that this package wrote"),
    ],
    ids=["another row's", "another key's", "garbage", "another program's"],
)
def test_what_does_not_belong_here_is_refused(owner: str, text: str, said: str):
    with pytest.raises(CiphertextError, match=said) as caught:
        cipher(OLD).decrypt(owner, text)
    assert "1//secret" not in str(caught.value)


def test_a_key_that_does_not_encrypt_refuses_to_start():
    class NullFernet:
        is_encrypted = False

        def encrypt(self, msg: bytes) -> bytes:
            return msg

        def decrypt(self, msg: bytes | str) -> bytes:
            return msg if isinstance(msg, bytes) else msg.encode()

    with pytest.raises(EncryptionKeyError, match="AIRFLOW__CORE__FERNET_KEY is empty"):
        Cipher(NullFernet())

"""Build the cipher and the list of Fernet keys from Airflow's configuration."""

from __future__ import annotations

from airflow.sdk.configuration import conf
from airflow.sdk.crypto import get_fernet
from airflow.sdk.exceptions import AirflowException

from gmail_warmup.core.errors import EncryptionKeyError
from gmail_warmup.crypto.cipher import KEY_COMMAND, Cipher
from gmail_warmup.crypto.fernet_keys import FernetKeys


def load_cipher() -> Cipher:
    """Return the cipher for Airflow's Fernet keys.

    Raises:
        EncryptionKeyError: if the key is empty or malformed.
    """
    try:
        return Cipher(get_fernet())
    except AirflowException as error:
        raise EncryptionKeyError(
            f"AIRFLOW__CORE__FERNET_KEY is not a list of Fernet keys ({error}). Run this in the environment of your "
            f"Airflow, which has a key. For a new installation generate one with: {KEY_COMMAND}"
        ) from None


def load_fernet_keys() -> FernetKeys:
    """Return Airflow's Fernet keys, newest first.

    Raises:
        EncryptionKeyError: if there is no key, or a key is malformed.
    """
    load_cipher()
    return FernetKeys(conf.get("core", "fernet_key").split(","))

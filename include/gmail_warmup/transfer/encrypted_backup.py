"""Encrypt a text with a passphrase: scrypt derives the key, AES-256-GCM encrypts, the result is one JSON object.

The parameters of scrypt are the first recommendation of OWASP's "Password Storage Cheat Sheet" (N = 2^17, r = 8,
p = 1). The other fields are authenticated together with the content. A checksum distinguishes a damaged file from a
wrong passphrase.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gmail_warmup.core.errors import InvalidInputError

FORMAT, VERSION = "gmail-warmup-backup", 1
MIN_PASSPHRASE_LENGTH = 12
"""Minimum number of characters of a passphrase."""


class _StrictModel(BaseModel):
    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )


class _KdfParameters(_StrictModel):
    """Parameters of scrypt, which needs 128 * n * r bytes of memory: at most one GiB."""

    name: Literal["scrypt"] = "scrypt"
    n: int = Field(2**17, ge=2**14, le=2**20)
    r: int = Field(8, ge=1, le=8)
    p: int = Field(1, ge=1, le=16)
    salt: bytes = Field(min_length=16)


class _CipherParameters(_StrictModel):
    name: Literal["AES-256-GCM"] = "AES-256-GCM"
    nonce: bytes = Field(min_length=12, max_length=12)


class EncryptedBackup(_StrictModel):
    """An encrypted file."""

    format: Literal["gmail-warmup-backup"] = "gmail-warmup-backup"
    version: Literal[1] = 1
    kdf: _KdfParameters
    cipher: _CipherParameters
    sha256: str = ""
    content: bytes = Field(b"", repr=False)

    @property
    def authenticated_header(self) -> bytes:
        """Return the fields that are authenticated together with the content."""
        return self.model_dump_json(exclude={"sha256", "content"}).encode()

    @property
    def expected_checksum(self) -> str:
        """Return the value that ``sha256`` must have."""
        return hashlib.sha256(self.authenticated_header + self.content).hexdigest()


def encrypt_backup(content: str, passphrase: str) -> str:
    """Encrypt a text; return it as a JSON object.

    Raises:
        InvalidInputError: if the passphrase is too short.
    """
    require_long_passphrase(passphrase)
    sealed = EncryptedBackup(kdf=_KdfParameters(salt=os.urandom(16)), cipher=_CipherParameters(nonce=os.urandom(12)))
    encrypted = AESGCM(_derive_key(passphrase, sealed.kdf)).encrypt(
        sealed.cipher.nonce, content.encode(), sealed.authenticated_header
    )
    sealed = sealed.model_copy(update={"content": encrypted})
    return sealed.model_copy(update={"sha256": sealed.expected_checksum}).model_dump_json(indent=1) + "\n"


def require_long_passphrase(passphrase: str) -> None:
    """Reject a passphrase that is too short.

    Raises:
        InvalidInputError: with its length and the minimum.
    """
    if len(passphrase) < MIN_PASSPHRASE_LENGTH:
        raise InvalidInputError(
            f"The passphrase has {len(passphrase)} characters; it needs {MIN_PASSPHRASE_LENGTH} or more."
        )


def parse_encrypted_backup(text: str) -> EncryptedBackup | None:
    """Parse an encrypted backup; return None if the text is something else.

    Raises:
        InvalidInputError: if it is damaged, or its version is unknown.
    """
    if not text.lstrip().startswith("{") or f'"{FORMAT}"' not in text:
        return None
    _require_known_version(text)
    try:
        sealed = EncryptedBackup.model_validate_json(text)
    except ValidationError:
        raise _damaged_error() from None
    if sealed.sha256 != sealed.expected_checksum:
        raise _damaged_error()
    return sealed


def decrypt_backup(sealed: EncryptedBackup, passphrase: str) -> str:
    """Decrypt a backup.

    Raises:
        InvalidInputError: if the passphrase is wrong.
    """
    try:
        content = AESGCM(_derive_key(passphrase, sealed.kdf)).decrypt(
            sealed.cipher.nonce, sealed.content, sealed.authenticated_header
        )
    except InvalidTag:
        raise InvalidInputError("The passphrase is wrong; nothing was imported.") from None
    return content.decode()


def _require_known_version(text: str) -> None:
    try:
        version = json.loads(text).get("version")
    except (ValueError, RecursionError):
        raise _damaged_error() from None
    if version != VERSION:
        raise InvalidInputError(
            f"The backup has the version {version}; this gmail-warmup reads version {VERSION}. "
            "Import it with the gmail-warmup version that wrote it, or a newer one."
        )


def _derive_key(passphrase: str, kdf: _KdfParameters) -> bytes:
    # Normalize, so that the passphrase does not depend on the keyboard it was typed on (RFC 8265, 4.2.1).
    typed = unicodedata.normalize("NFC", passphrase).encode(errors="surrogateescape")
    return Scrypt(salt=kdf.salt, length=32, n=kdf.n, r=kdf.r, p=kdf.p).derive(typed)


def _damaged_error() -> InvalidInputError:
    return InvalidInputError("The backup is damaged; nothing was imported. Use another copy of it.")

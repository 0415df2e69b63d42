"""Read the document in a file of tokens: JSON in any Unicode encoding, or the sections of rclone's configuration."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

from gmail_warmup.core.errors import InvalidInputError

MAX_FILE_BYTES = 5_000_000
"""Maximum size in bytes; a grant has less than two thousand, and a file can contain thousands of them."""

_SIGNATURES = {
    b"\x80": "is a Python pickle; read it with its own program and write the credentials with google-auth's to_json().",
    b"\xac\xed": "is a serialized Java object; write each StoredCredential as JSON.",
    b"SQLite format 3\x00": "is an SQLite database; use the JSON files of the same program.",
    b"PK\x03\x04": "is a ZIP archive or a workbook; extract the token files first.",
}
"""How binary files begin, and the remedy."""
_ENCRYPTED_RCLONE = "RCLONE_ENCRYPT_"


def read_document(path: Path) -> Any:
    """Return the content of a file.

    Raises:
        InvalidInputError: with the reason why it cannot be read, which contains no part of the content.
    """
    return parse_document(_read_bytes(path))


def parse_document(raw: bytes) -> Any:
    """Parse the content of a file.

    Raises:
        InvalidInputError: naming the rule and the remedy.
    """
    for signature, remedy in _SIGNATURES.items():
        if raw.startswith(signature):
            raise InvalidInputError(remedy)
    try:
        text = raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise InvalidInputError("is not text in UTF-8 or UTF-16; save it again as UTF-8.") from None
    if not text:
        raise InvalidInputError("is empty.")
    is_json = text[0] in '[{"' and not _is_section(text)
    return _parse_json(text) if is_json else _parse_sections(text)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInputError("is too large to be a token.")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}.") from None


def _is_section(text: str) -> bool:
    """Return whether a text begins with the header of a section, such as ``[remote]``, and not with a JSON list."""
    first, _, rest = text.partition("\n")
    return first.strip().startswith("[") and first.strip().endswith("]") and "=" in rest and '"' not in first


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno}); correct it, or get the file again."
        ) from None
    except (ValueError, RecursionError):
        raise InvalidInputError("is not JSON that can be read; get the file again.") from None


def _parse_sections(text: str) -> dict[str, dict[str, str]]:
    if _ENCRYPTED_RCLONE in text[:1000]:
        raise InvalidInputError("is an encrypted configuration of rclone; decrypt it with 'rclone config encryption'.")
    reader = configparser.ConfigParser(interpolation=None, strict=False, default_section="")
    try:
        reader.read_string(text)
    except configparser.Error:
        raise InvalidInputError("is not JSON; convert a pickle with google-auth's to_json().") from None
    return {name: dict(reader[name]) for name in reader.sections()}

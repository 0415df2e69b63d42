"""Read token files such as ``token.json``: one grant per file, in google-auth's format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.migration_plan import Candidate, Skipped

_ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
_EXAMPLE_ADDRESS = "ada@example.com"
_MAX_FILE_BYTES = 100_000
"""Maximum size in bytes; a grant has less than two thousand."""


def read_token_files(place: Path, *, kind: str, address: str = "") -> tuple[list[Candidate], list[Skipped]]:
    """Read a file, or every file of a folder; return the candidates, and the skipped files with the reason.

    The address is the file's ``account``, otherwise the address in the file's name.

    Args:
        kind: the kind of new mailboxes.
        address: the mailbox of the file; only for a single file.

    Raises:
        InvalidInputError: if there is no such file or folder, or an address is given for a folder.
    """
    if address and place.is_dir():
        raise InvalidInputError(f"{place} is a folder, but --address is for a single file.")
    offers: list[Candidate] = []
    left: list[Skipped] = []
    for path in _list_files(place):
        try:
            offers.append(_to_candidate(path, kind, address))
        except InvalidInputError as error:
            left.append(Skipped(source=path.name, address="", why=str(error)))
    return offers, left


def _list_files(place: Path) -> Iterator[Path]:
    try:
        found = sorted(place.iterdir()) if place.is_dir() else [place]
    except OSError as error:
        raise InvalidInputError(f"{place} cannot be read: {error.strerror}.") from None
    if not place.exists():
        raise InvalidInputError(f"{place} does not exist.")
    yield from (path for path in found if path.is_file() and not path.name.startswith("."))


def _to_candidate(path: Path, kind: str, address: str) -> Candidate:
    token = _read_token(path)
    named = _ADDRESS.search(path.stem.replace("_", " "))
    found = address or str(token.get("account") or "") or (named[0] if named else "")
    if not found:
        raise InvalidInputError(f"contains no address; rename it to ADDRESS.json, for example {_EXAMPLE_ADDRESS}.json.")
    return Candidate(source=path.name, address=found, settings={"kind": kind}, token=token)


def _read_token(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidInputError("is too large to be a token.")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError("is not JSON; convert a pickle with google-auth's to_json().") from None
    if not isinstance(found, dict):
        raise InvalidInputError("contains no authorized_user object.")
    if {"installed", "web"} & found.keys():
        raise InvalidInputError("is an OAuth client, not a grant; it goes into GOOGLE_CLIENT_ID and _SECRET.")
    if found.get("type") == "service_account":
        raise InvalidInputError("is the key of a service account; see docs/delegation.md.")
    return found

"""The passphrase of a backup: typed at a terminal, or from the environment; never an option, which others could see."""

from __future__ import annotations

import getpass
import os
import sys

from gmail_warmup.core.errors import InvalidInputError

VARIABLE = "GMAIL_WARMUP_PASSPHRASE"


def known() -> str:
    """Return the passphrase of a backup that exists.

    Raises:
        InvalidInputError: if nobody is there to type it.
    """
    return _given() or _typed("Passphrase of the backup: ")


def new() -> str:
    """Return the passphrase for a backup to be made; typed twice at a terminal.

    Raises:
        InvalidInputError: if it is too short, the two differ, or nobody is there to type it.
    """
    from gmail_warmup.transfer.encrypted_backup import require_long

    passphrase = _given()
    if passphrase:
        require_long(passphrase)
        return passphrase
    passphrase = _typed("New passphrase for the backup: ")
    require_long(passphrase)
    if _typed("The same passphrase again: ") != passphrase:
        raise InvalidInputError("The two passphrases differ; nothing was written.")
    return passphrase


def _given() -> str:
    return os.environ.get(VARIABLE, "").rstrip("\r\n")


def _typed(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise InvalidInputError(f"A passphrase is needed. Set {VARIABLE}, or run this in a terminal to type it.")
    return getpass.getpass(prompt)

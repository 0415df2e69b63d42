"""The passphrase of a backup: typed at a terminal, or from the environment; never an option, which others could see."""

from __future__ import annotations

import getpass
import os
import sys

from gmail_warmup.core.errors import InvalidInputError

PASSPHRASE_VARIABLE = "GMAIL_WARMUP_PASSPHRASE"  # noqa: S105  a name, not a secret


def read_passphrase() -> str:
    """Return the passphrase of a backup that exists.

    Raises:
        InvalidInputError: if nobody is there to type it.
    """
    return _read_environment() or _prompt_passphrase("Passphrase of the backup: ")


def choose_passphrase() -> str:
    """Return the passphrase for a backup to be made; typed twice at a terminal.

    Raises:
        InvalidInputError: if it is too short, the two differ, or nobody is there to type it.
    """
    from gmail_warmup.transfer.encrypted_backup import require_long_passphrase

    passphrase = _read_environment()
    if passphrase:
        require_long_passphrase(passphrase)
        return passphrase
    passphrase = _prompt_passphrase("New passphrase for the backup: ")
    require_long_passphrase(passphrase)
    if _prompt_passphrase("The same passphrase again: ") != passphrase:
        raise InvalidInputError("The two passphrases differ; nothing was written.")
    return passphrase


def _read_environment() -> str:
    return os.environ.get(PASSPHRASE_VARIABLE, "").rstrip("\r\n")


def _prompt_passphrase(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise InvalidInputError(
            f"A passphrase is needed. Set {PASSPHRASE_VARIABLE}, or run this in a terminal to type it."
        )
    return getpass.getpass(prompt)

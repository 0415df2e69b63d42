"""Passphrase of a backup, from a terminal or the environment. Other users could see a command-line option."""

from __future__ import annotations

import getpass
import os
import sys

from gmail_warmup.core.errors import InvalidInputError

PASSPHRASE_VARIABLE = "GMAIL_WARMUP_PASSPHRASE"  # noqa: S105  a name, not a secret


def read_passphrase() -> str:
    """Return the passphrase of an existing backup.

    Raises:
        InvalidInputError: if there is neither a terminal nor the variable.
    """
    return _read_environment() or _prompt_passphrase("Passphrase of the backup: ")


def choose_passphrase() -> str:
    """Return the passphrase for a new backup; at a terminal, it is typed twice.

    Raises:
        InvalidInputError: if it is too short, the two inputs differ, or there is neither a terminal nor the variable.
    """
    from gmail_warmup.transfer.encrypted_backup import require_long_passphrase

    passphrase = _read_environment()
    if passphrase:
        require_long_passphrase(passphrase)
        return passphrase
    passphrase = _prompt_passphrase("New passphrase for the backup: ")
    require_long_passphrase(passphrase)
    if _prompt_passphrase("Repeat the passphrase: ") != passphrase:
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

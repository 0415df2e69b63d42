"""Write a file completely or not at all, readable only by its owner."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gmail_warmup.core.errors import InvalidInputError


def write_private_file(file: Path, parts: Iterable[str]) -> None:
    """Write a text in parts to a temporary file next to the target, then replace the target.

    Raises:
        InvalidInputError: if it cannot be written; a former file is then unchanged.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
                opened.writelines(parts)
                opened.flush()
                os.fsync(descriptor)
            os.replace(name, file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be written: {error.strerror}.") from None

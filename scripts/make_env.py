"""Write `.env` from `.env.example`: generate empty secrets, keep everything that is set."""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


def _token() -> str:
    return secrets.token_urlsafe(32)


GENERATED: Mapping[str, Callable[[], str]] = {
    "FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "API_SECRET_KEY": _token,
    "POSTGRES_PASSWORD": _token,
    "REDIS_PASSWORD": _token,
    "ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
}


def names(text: str) -> list[str]:
    """Return the names of the variables set in a text."""
    return [match[1] for line in text.splitlines() if (match := _LINE.match(line.strip()))]


def complete(example: str, current: str | None) -> tuple[str, list[str], list[str]]:
    """Return the new text, the added variables and the generated secrets.

    Args:
        example: the text of `.env.example`.
        current: the text of `.env`, None if the file does not exist.
    """
    text = example if current is None else current
    missing = [name for name in names(example) if name not in names(text)]
    if missing:
        lines = [line for line in example.splitlines() if (match := _LINE.match(line)) and match[1] in missing]
        text = text.rstrip("\n") + "\n\n# Added by make_env; described in .env.example.\n" + "\n".join(lines) + "\n"
    generated = []
    result = []
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match and match[1] in GENERATED and match[2].strip() in ("", "''", '""'):
            generated.append(match[1])
            line = f"{match[1]}={GENERATED[match[1]]()}"
        result.append(line)
    return "\n".join(result) + "\n", missing, generated


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, completely or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and report the result without showing a secret."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", type=Path, default=CHECKOUT / ".env.example")
    parser.add_argument("--output", type=Path, default=CHECKOUT / ".env")
    given = parser.parse_args(arguments)
    try:
        current = given.output.read_text(encoding="utf-8") if given.output.exists() else None
        text, added, generated = complete(given.example.read_text(encoding="utf-8"), current)
        if text != current:
            write_private(given.output, text)
        else:
            given.output.chmod(0o600)
    except OSError as error:
        print(f"Error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{given.output}: {'created' if current is None else 'kept'}; generated: {', '.join(generated) or 'nothing'}")
    if current is not None and added:
        print(f"added: {', '.join(added)}")
    lines = text.splitlines()
    if empty := [name for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET") if f"{name}=" in lines]:
        print(f"set these yourself: {', '.join(empty)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

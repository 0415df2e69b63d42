"""The run folder: everything that a start writes, one owner at a time, secrets that survive a restart."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from gmail_embedded.errors import EmbeddedError, FolderInUseError

CHECKOUT = Path(__file__).resolve().parents[2]
USER = "admin"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The generated secrets; none of them is shown but the password of the login."""

    fernet_key: str
    jwt_secret: str
    api_secret: str
    admin_password: str
    database_password: str

    def __repr__(self) -> str:
        """Show nothing."""
        return "Secrets(...)"

    @classmethod
    def generate(cls) -> Secrets:
        """Make new ones."""
        return cls(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret=secrets.token_urlsafe(32),
            admin_password=secrets.token_urlsafe(12),
            database_password=secrets.token_urlsafe(24),
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, as a whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


class RunFolder:
    """Where things are. Nothing is written before `prepare`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.logs = self.root / "logs"
        self.airflow_home = self.root / "airflow"
        self.airflow_config = self.airflow_home / "airflow.cfg"
        self.passwords = self.root / "passwords.json"
        self.database = self.root / "postgres"
        self.initialised = self.root / "initialised"
        self._secrets_file = self.root / "secrets.json"
        self._lock_file = self.root / "lock"
        self._lock: int | None = None
        self._secrets: Secrets | None = None

    @property
    def secrets(self) -> Secrets:
        """Return the secrets; they exist once the folder is prepared."""
        assert self._secrets, "prepare() comes first"
        return self._secrets

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self.logs / f"{name}.log"

    def lock(self) -> None:
        """Take the folder for this process.

        Raises:
            FolderInUseError: if another process has it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedError(f"Cannot write into {self.root}: {error.strerror}. Choose another folder.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode().strip() or "unknown"
            os.close(descriptor)
            raise FolderInUseError(
                f"{self.root} is in use by the process {owner}. End that one first, or choose another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            # Emptied, not removed: who waits for the lock of a removed file would hold a lock nobody else sees.
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> None:
        """Make folders, secrets and the files that Airflow reads; keep what an earlier start made."""
        for folder in (self.logs, self.airflow_home):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        if self._secrets_file.exists():
            try:
                self._secrets = Secrets(**json.loads(self._secrets_file.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                raise EmbeddedError(
                    f"{self._secrets_file} is damaged. Restore it, or remove {self.root} to begin anew."
                ) from None
        else:
            self._secrets = Secrets.generate()
            write_private(self._secrets_file, json.dumps(asdict(self._secrets)))
        write_private(self.passwords, json.dumps({USER: self.secrets.admin_password}) + "\n")
        # Without this file each Airflow process would write one of its own, all of them at once.
        self.airflow_config.write_text("# Empty: every setting comes from the environment.\n", encoding="utf-8")

    def mask(self, line: str) -> str:
        """Replace the secrets of this folder in a line."""
        for secret in asdict(self.secrets).values() if self._secrets else ():
            line = line.replace(secret, "***")
        return line

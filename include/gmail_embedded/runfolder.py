"""The run folder: database, logs and generated secrets of one installation, used by one process at a time."""

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
    """The generated secrets. Only the login password is ever printed."""

    fernet_key: str
    jwt_secret: str
    api_secret: str
    admin_password: str
    database_password: str

    def __repr__(self) -> str:
        """Return a text without the secrets."""
        return "Secrets(...)"

    @classmethod
    def generate(cls) -> Secrets:
        """Return new random secrets."""
        return cls(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret=secrets.token_urlsafe(32),
            admin_password=secrets.token_urlsafe(12),
            database_password=secrets.token_urlsafe(24),
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


class RunFolder:
    """The paths inside the folder. Nothing is written before `prepare`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.logs = self.root / "logs"
        self.airflow_home = self.root / "airflow"
        self.airflow_config = self.airflow_home / "airflow.cfg"
        self.passwords = self.root / "passwords.json"
        self.database = self.root / "postgres"
        self.initialised = self.root / "initialised"
        self.environment_file = self.root / "environment.sh"
        self._secrets_file = self.root / "secrets.json"
        self._lock_file = self.root / "lock"
        self._lock: int | None = None
        self._secrets: Secrets | None = None

    @property
    def secrets(self) -> Secrets:
        """Return the secrets; call `prepare` first."""
        assert self._secrets, "prepare() comes first"
        return self._secrets

    def log(self, name: str) -> Path:
        """Return the path of a process's log."""
        return self.logs / f"{name}.log"

    def lock(self) -> None:
        """Lock the folder for this process.

        Raises:
            FolderInUseError: if another process has locked it.
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
                f"{self.root} is in use by the process {owner}. Stop that process first, or choose another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def is_locked(self) -> bool:
        """Return whether a process has locked the folder."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            # Truncated, not removed: a process that already waits would lock a file that no longer has a name.
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> None:
        """Create the folders, the secrets and the files that Airflow reads; keep existing ones."""
        for folder in (self.logs, self.airflow_home):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        if self._secrets_file.exists():
            try:
                self._secrets = Secrets(**json.loads(self._secrets_file.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                raise EmbeddedError(
                    f"{self._secrets_file} is damaged. Restore it, or remove {self.root} to start again."
                ) from None
        else:
            self._secrets = Secrets.generate()
            write_private(self._secrets_file, json.dumps(asdict(self._secrets)))
        write_private(self.passwords, json.dumps({USER: self.secrets.admin_password}) + "\n")
        # Without this file each Airflow process would write one, all at the same time.
        self.airflow_config.write_text("# Empty: every setting comes from the environment.\n", encoding="utf-8")

    def mask(self, line: str) -> str:
        """Replace the secrets of this folder in a line by asterisks."""
        for secret in asdict(self.secrets).values() if self._secrets else ():
            line = line.replace(secret, "***")
        return line

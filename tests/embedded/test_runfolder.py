from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gmail_embedded.errors import EmbeddedError, FolderInUseError, PortInUseError
from gmail_embedded.ports import choose_port
from gmail_embedded.runfolder import RunFolder

HOLD = """
import sys, time
from pathlib import Path
from gmail_embedded.runfolder import RunFolder
RunFolder(Path(sys.argv[1])).lock()
print("locked", flush=True)
time.sleep(600)
"""


def test_a_second_start_in_a_folder_names_the_process_that_has_it(
    program: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    owner = program(HOLD, tmp_path)
    assert owner.stdout
    owner.stdout.readline()

    with pytest.raises(FolderInUseError, match=f"{tmp_path} is in use by the process {owner.pid}"):
        RunFolder(tmp_path).lock()

    owner.kill()
    owner.wait()
    again = RunFolder(tmp_path)
    again.lock()
    again.unlock()


def test_secrets_are_kept_and_private(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.prepare()
    second.prepare()

    assert first.secrets == second.secrets
    assert first.secrets.fernet_key not in repr(first.secrets)
    for name in ("secrets.json", "passwords.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_two_folders_share_no_secret(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / name) for name in "ab"]
    for folder in folders:
        folder.lock()
        folder.prepare()
        folder.unlock()
    assert folders[0].secrets != folders[1].secrets


@pytest.mark.parametrize("content", ["", "{", "{}", '{"fernet_key": "x"}', "[]"])
def test_damaged_secrets_are_named_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(EmbeddedError, match=r"secrets\.json is damaged"):
        RunFolder(tmp_path).prepare()
    assert (tmp_path / "secrets.json").read_text() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="Cannot write into"):
        RunFolder(tmp_path / "file" / "run").lock()


def test_secrets_are_masked(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.prepare()
    assert folder.mask(f"key={folder.secrets.fernet_key}!") == "key=***!"


def test_a_port_in_use_is_named_with_who_asked_for_it() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"Port {port} for Airflow's pages \(set by --port\) is in use"):
            choose_port(port, purpose="Airflow's pages", source="--port")
    assert choose_port(port, purpose="Airflow's pages", source="--port") == port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(PortInUseError, match=f"PORT={port} is not a port"):
        choose_port(port, purpose="x", source="PORT")


def test_a_free_port_is_found() -> None:
    assert choose_port(None, purpose="x", source="x") > 1023

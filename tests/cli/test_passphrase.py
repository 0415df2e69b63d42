"""The passphrase as a person types it: at a real terminal, twice, and never shown."""

from __future__ import annotations

import os
import pty
import stat
from pathlib import Path

from support import program
from support.world import FERNET_KEY, World

PASSPHRASE = "correct horse battery"


def at_a_terminal(variables: dict[str, str], words: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """Run the program at a terminal, answer its questions, and return its exit code and what was on the screen."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execve(program.PROGRAM, [str(program.PROGRAM), *words], variables)
    seen, asked = "", iter(answers.items())
    question, answer = next(asked)
    while True:
        try:
            read = os.read(screen, 1024).decode()
        except OSError:  # the other side has ended
            break
        seen += read
        if question and question in seen:
            os.write(screen, f"{answer}\n".encode())
            question, answer = next(asked, ("", ""))
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def test_it_is_typed_twice_and_not_shown(world: World, tmp_path: Path):
    world.add("ada@pool.example")
    variables = program.environment(tmp_path, world.store.engine, FERNET_KEY)
    variables.pop("GMAIL_WARMUP_PASSPHRASE", None)
    path = tmp_path / "backup.json"
    export = ["mailboxes", "export", str(path), "--with-grants"]
    first, again = "New passphrase for the backup: ", "Repeat the passphrase: "

    code, seen = at_a_terminal(variables, export, {first: PASSPHRASE, again: PASSPHRASE + "x"})
    assert (code, "The two passphrases differ" in seen, path.exists()) == (2, True, False)
    code, seen = at_a_terminal(variables, export, {first: "too short"})
    assert (code, "needs 12 or more" in seen, path.exists()) == (2, True, False)
    code, seen = at_a_terminal(variables, export, {first: PASSPHRASE, again: PASSPHRASE})
    assert code == 0, seen
    assert PASSPHRASE not in seen
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    restore = ["mailboxes", "import", str(path), "--dry-run"]
    code, seen = at_a_terminal(variables, restore, {"Passphrase of the backup: ": "wrong " + PASSPHRASE})
    assert (code, "The passphrase is wrong" in seen) == (2, True)
    code, seen = at_a_terminal(variables, restore, {"Passphrase of the backup: ": PASSPHRASE})
    assert (code, "Would import 1 mailbox" in seen) == (0, True)
    assert PASSPHRASE not in seen

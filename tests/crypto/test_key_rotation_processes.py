"""Key rotation over processes: killed with SIGKILL, and while others refresh and re-authenticate."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_warmup.core.errors import CiphertextError, EncryptionKeyError
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.crypto.key_rotation import inspect_key_usage, rotate_keys
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.transfer.importer import import_mailboxes
from gmail_warmup.transfer.parser import parse_rows
from support import program
from support.world import World

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ROWS, HALFWAY = 300, 150
TESTS = Path(__file__).parents[1]


def cipher_of(*keys: str) -> Cipher:
    return Cipher(MultiFernet([Fernet(key) for key in keys]))


@pytest.fixture(scope="module")
def cipher() -> Cipher:
    """Processes have the new key, and wrote everything so far with the old one."""
    return cipher_of(OLD, NEW)


@pytest.fixture
def many(store: GrantStore) -> GrantStore:
    rows = [
        {"address": f"m{number}@pool.example", "kind": "pool",
         "grant": {"refresh_token": f"1//{number}", "token": f"ya29.{number}", "expiry": "2100-01-01T00:00:00"}}
        for number in range(1, ROWS + 1)
    ]  # fmt: skip
    import_mailboxes(store, parse_rows(rows), actor=Actor(name="test"))
    check(store.engine, OLD)
    return store


def check(engine: sa.Engine, *keys: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key_check.check_key(connection, cipher_of(*keys))


def stored(engine: sa.Engine, *keys: str) -> dict[str, tuple[str, str]]:
    """Return the refresh and the access token of each mailbox, as these keys read them."""
    cipher, query = cipher_of(*keys), "SELECT mailbox_id, refresh_token, access_token FROM gmail_warmup.oauth_grant"
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(f"SELECT address, g.* FROM ({query}) g JOIN gmail_warmup.mailbox m ON m.id = g.mailbox_id")
        ).all()
    return {
        row.address: (
            cipher.decrypt(build_secret_owner(row.mailbox_id), row.refresh_token),
            cipher.decrypt(build_secret_owner(row.mailbox_id), row.access_token),
        )
        for row in rows
    }


class SlowKeys(FernetKeys):
    """Takes as long between reading a row and writing it as a large batch does."""

    def renew(self, owner: str, ciphertext: str) -> str:
        time.sleep(0.004)
        return super().reencrypt(owner, ciphertext)


def until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_rotation_killed_in_the_middle_is_finished_by_the_next(many: GrantStore, tmp_path: Path):
    engine, both = many.engine, FernetKeys([NEW, OLD])
    before = stored(engine, OLD)
    variables = program.environment(tmp_path, engine, NEW, OLD)
    with engine.begin() as connection:
        # The rotation comes as far as this row and waits for it.
        connection.execute(
            sa.text("SELECT FROM gmail_warmup.oauth_grant WHERE mailbox_id = :id FOR UPDATE"), {"id": HALFWAY}
        )
        process = program.start(variables, "grants", "rotate")
        until(lambda: inspect_key_usage(engine, both).newest == 2 * (HALFWAY - 1), process)
        process.kill()
        process.communicate()
    assert stored(engine, NEW, OLD) == before
    with pytest.raises(CiphertextError):
        stored(engine, NEW)
    check(engine, OLD)  # whoever has the former key alone goes on, in the mailboxes that are not renewed yet

    done = program.run(variables, "grants", "rotate", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["already_new"] >= HALFWAY - 1
    assert counts["rotated"] + counts["already_new"] == ROWS
    assert stored(engine, NEW) == before
    check(engine, NEW)
    with pytest.raises(EncryptionKeyError):
        check(engine, OLD)


def test_nothing_newer_is_lost_while_others_refresh_and_sign_in(world: World):
    groups = {kind: [f"{kind}{number}@pool.example" for number in range(3)] for kind in ("fresh", "signed", "both")}
    for address in itertools.chain(*groups.values()):
        world.add(address, expired=False)
    engine, keys = world.store.engine, SlowKeys([NEW, OLD])
    writers = [
        writer(world, "refresh", groups["fresh"]),
        writer(world, "sign in", groups["signed"]),
        writer(world, "sign in", groups["both"]),
        writer(world, "refresh", groups["both"]),
    ]
    go(writers)
    rotated = 0
    while any(process.poll() is None for process in writers):
        done = rotate_keys(engine, keys, actor="test")
        assert done.unreadable == []
        rotated += done.rotated
    refreshed, signed, signed_both, _ = (result(process) for process in writers)
    assert rotated > 2 * 9, "the rotation met rows that were written under the old key while it ran"
    assert rotate_keys(engine, keys, actor="test").unsettled == []
    now = stored(engine, NEW)
    assert {address: now[address][1] for address in groups["fresh"]} == refreshed
    assert {address: now[address][0] for address in groups["signed"]} == signed
    assert {address: now[address][0] for address in groups["both"]} == signed_both


def writer(world: World, do: str, addresses: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("grant_writer.py"))],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    url = world.store.engine.url.render_as_string(hide_password=False)
    order: dict[str, Any] = {"do": do, "addresses": addresses, "keys": [OLD, NEW], "rounds": 40}
    say(process, json.dumps(order | {"database": url, "sandbox": world.sandbox.base_url}))
    return process


def go(writers: Iterable[subprocess.Popen[str]]) -> None:
    for process in writers:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in writers:
        say(process, "go")


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def result(process: subprocess.Popen[str]) -> dict[str, str]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["lost"] == 0
    return found["last"]

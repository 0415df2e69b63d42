"""The canary: a process with a wrong key refuses before it writes, and nobody else is disturbed."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_warmup.core.errors import EncryptionKeyError
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.oauth.errors import FlaggedGrantError
from support import program
from support.workers import services
from support.world import FERNET_KEY, World

ADA = "ada@pool.example"
FORMER, OTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)


def cipher(*keys: str) -> Cipher:
    return Cipher(MultiFernet([Fernet(key) for key in keys]))


def check(engine: sa.Engine, *keys: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key_check.check_key(connection, cipher(*keys))


def rows(engine: sa.Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.text(f"SELECT count(*) FROM gmail_warmup.{table}")).scalar_one()


def test_the_first_process_decides_and_others_have_to_agree(database: sa.Engine):
    check(database, FORMER)
    check(database, FORMER)
    check(database, OTHER, FORMER)
    with pytest.raises(EncryptionKeyError, match=r"AIRFLOW__CORE__FERNET_KEY.*former key.*gmail-warmup grants rotate"):
        check(database, OTHER)
    check(database, FORMER)


def test_of_two_that_are_first_with_different_keys_one_is_refused(database: sa.Engine):
    together = Barrier(8)

    def first(key: str) -> str | None:
        together.wait()
        try:
            check(database, key)
        except EncryptionKeyError:
            return None
        return key

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(first, [FORMER, OTHER] * 4))
    assert {key for key in accepted if key} in ({FORMER}, {OTHER})
    assert accepted.count(None) == 4


def test_no_canary_is_made_under_a_key_that_reads_no_stored_grant(world: World):
    world.add(ADA)
    with pytest.raises(EncryptionKeyError, match="stored grants are encrypted with"):
        check(world.store.engine, OTHER)
    assert rows(world.store.engine, "canary") == 0
    check(world.store.engine, FERNET_KEY)


@pytest.mark.parametrize(
    "damage",
    [
        f"refresh_token = '{Fernet(OTHER).encrypt(b'x').decode()}'",
        "refresh_token = (SELECT refresh_token FROM gmail_warmup.oauth_grant WHERE mailbox_id = 2)",
    ],
    ids=["unreadable", "another row's"],
)
def test_one_damaged_row_says_nothing_about_the_key(world: World, damage: str):
    world.add(ADA)
    world.add("bob@pool.example")
    world.sql(f"UPDATE gmail_warmup.oauth_grant SET {damage} WHERE mailbox_id = 1")
    check(world.store.engine, FERNET_KEY)
    assert rows(world.store.engine, "canary") == 1


def test_the_check_is_one_round_trip(world: World):
    ready, asked = services(world), []

    def note(*event: Any) -> None:
        asked.append(event[2])

    ready.check_installation()
    sa.event.listen(world.store.engine, "before_cursor_execute", note)
    try:
        ready.check_installation()
    finally:
        sa.event.remove(world.store.engine, "before_cursor_execute", note)
    assert len(asked) == 1, asked


PAGE = "from gmail_warmup.web.dependencies import AppContext; AppContext().services"


def test_processes_with_another_key_refuse_and_write_nothing(world: World, tmp_path: Path):
    world.add(ADA)
    services(world).check_installation()
    variables = program.environment(tmp_path, world.store.engine, OTHER)
    for words in ("mailboxes add bob@pool.example --kind pool", "grants audit", "grants rotate"):
        done = program.run(variables, *words.split())
        assert done.returncode == 2, done.stderr
        assert done.stderr.splitlines()[-1].startswith("Error: AIRFLOW__CORE__FERNET_KEY is not the key")
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
    page = subprocess.run([sys.executable, "-c", PAGE], env=variables, capture_output=True, text=True, check=False)
    assert "EncryptionKeyError: AIRFLOW__CORE__FERNET_KEY is not the key" in page.stderr
    assert (rows(world.store.engine, "mailbox"), rows(world.store.engine, "canary")) == (1, 1)
    assert world.grant(ADA).version == 1


def test_a_lost_key_is_left_behind_as_the_docs_say(world: World):
    world.add(ADA)
    services(world).check_installation()
    text = (Path(__file__).parents[2] / "docs" / "encryption.md").read_text()
    statements, connections = re.findall(r"```sql\n(.*?)```", text[text.index("## A lost key") :], re.DOTALL)
    assert "public.connection" in connections
    for statement in statements.strip().rstrip(";").split(";"):
        world.sql(statement)
    check(world.store.engine, OTHER)
    with pytest.raises(FlaggedGrantError, match="Re-authenticate"):
        world.tokens().get_token(ADA)
    assert world.token_requests() == 0

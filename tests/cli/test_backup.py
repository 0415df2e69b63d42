"""A backup of everything: made, moved to another database, restored; and what spoils it."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from support.world import World

GMAIL, _ = CONSUMER_DOMAINS

PASSPHRASE = "correct horse battery"
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).date()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def set_to(passphrase: str) -> None:
        monkeypatch.setenv("GMAIL_WARMUP_PASSPHRASE", passphrase)

    set_to(PASSPHRASE)
    return set_to


@pytest.fixture
def backup(shell, world: World, tmp_path: Path, typed) -> Path:
    """A backup of two mailboxes with grants and one without; then the database is empty."""
    world.add("ada@pool.example", timezone="Europe/Berlin", daily_target=30)
    world.reauthenticate("ada@pool.example", expires_in_days=60)
    world.add("bob@warm.example", kind="warmup")
    shell("mailboxes", "add", "new@pool.example", "--kind", "pool")
    shell("mailboxes", "pause", "bob@warm.example", "--reason", "on holiday", "--until", str(NEXT_YEAR))
    path = tmp_path / "backup.json"
    said = shell.json("mailboxes", "export", str(path), "--with-grants")
    assert (said["mailboxes"], said["grants"], said["unreadable"]) == (3, 2, [])
    return path


def empty(world: World) -> None:
    world.sql("DELETE FROM gmail_warmup.mailbox")


def test_everything_comes_back_and_works(shell, world: World, backup: Path):
    before = world.grant("ada@pool.example")
    empty(world)
    done = shell.json("mailboxes", "import", str(backup))
    assert (done["added"], done["grants"], done["paused"], done["to_sign_in"]) == (3, 2, 1, 1)
    assert world.mailbox("ada@pool.example").timezone == "Europe/Berlin"
    bob = world.mailbox("bob@warm.example")
    assert (bob.pause_reason, bob.paused_until) == ("on holiday", NEXT_YEAR)
    after = world.grant("ada@pool.example")
    assert (after.granted_at, after.refresh_expires_at) == (before.granted_at, before.refresh_expires_at)
    for address in ("ada@pool.example", "bob@warm.example"):
        assert world.tokens().get_token(address).seconds > 3000
    assert world.grant("new@pool.example").state is GrantState.NEEDS_REAUTH


def test_the_file_is_its_owners_and_shows_nothing(backup: Path, world: World):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    text = backup.read_text()
    assert "pool.example" not in text
    assert "1//" not in text


def test_a_newer_grant_is_not_overwritten_unless_asked(shell, world: World, backup: Path):
    newest = world.reauthenticate("ada@pool.example")
    done = shell.json("mailboxes", "import", str(backup))
    assert (done["grants"], done["grants_kept"], done["grants_unchanged"]) == (0, 1, 1)
    grant = world.grant("ada@pool.example")
    assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or "") == newest
    done = shell.json("mailboxes", "import", str(backup), "--overwrite-grants")
    assert (done["grants"], done["grants_kept"]) == (2, 0)


def test_a_dry_run_says_the_same_and_writes_nothing(shell, world: World, backup: Path):
    empty(world)
    said = shell.json("mailboxes", "import", str(backup), "--dry-run")
    assert world.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(0,)]
    assert shell.json("mailboxes", "import", str(backup)) == said | {"dry_run": False}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text, "The passphrase is wrong; nothing was imported."),
        (lambda text: re.sub(r'("content": ?")', r"\1AAAA", text), "The backup is damaged"),
        (lambda text: text[: len(text) // 2], "The backup is damaged"),
        (lambda text: json.dumps(json.loads(text) | {"version": 2}), "The backup has the version 2"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_imported(
    shell, world: World, backup: Path, typed, spoil: Callable[[str], str], said: str
):
    empty(world)
    backup.write_text(spoil(backup.read_text()))
    typed("another passphrase")
    shell("mailboxes", "import", str(backup), code=2)
    assert said in shell.err
    assert world.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(0,)]


def test_a_short_passphrase_or_none_is_refused(shell, world: World, tmp_path: Path, typed):
    path = tmp_path / "backup.json"
    typed("too short")
    shell("mailboxes", "export", str(path), "--with-grants", code=2)
    assert "needs 12 or more" in shell.err
    typed("")
    shell("mailboxes", "export", str(path), "--with-grants", code=2)
    assert "Set GMAIL_WARMUP_PASSPHRASE" in shell.err
    assert not path.exists()


def test_an_existing_file_is_kept_unless_forced(shell, world: World, tmp_path: Path):
    world.add("ada@pool.example")
    path = tmp_path / "mailboxes.csv"
    path.write_text("mine")
    shell("mailboxes", "export", str(path), code=2)
    assert path.read_text() == "mine"
    shell("mailboxes", "export", str(path), "--force")
    assert [row["address"] for row in csv.DictReader(io.StringIO(path.read_text()))] == ["ada@pool.example"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_grant_that_no_key_reads_is_named(shell, world: World, tmp_path: Path, typed):
    world.add("ada@pool.example")
    world.add("bob@pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_token = 'damaged' WHERE mailbox_id = 1")
    said = shell.json("mailboxes", "export", str(tmp_path / "b.json"), "--with-grants", code=1)
    assert (said["grants"], said["unreadable"]) == (1, ["ada@pool.example"])


SIGNATURE = 'Ada "the first", of Pool\n\nLondon; <b>6</b>'


def test_settings_and_pauses_go_through_csv(shell, world: World, tmp_path: Path):
    world.add(
        "ada@pool.example", timezone="Europe/Berlin", daily_target=30, display_name="Ada, of Pool", signature=SIGNATURE
    )
    world.add("bob@warm.example", kind="warmup", auth="delegated")
    shell("mailboxes", "pause", "bob@warm.example", "--reason", 'away, "for long"')
    path = tmp_path / "mailboxes.csv"
    path.write_text(shell("mailboxes", "export", "-"))
    before = shell.json("mailboxes", "list")
    empty(world)
    assert "1 mailbox" in shell("mailboxes", "import", str(path))
    told = ("address", "kind", "auth", "daily_target", "timezone", "display_name", "signature", "pause_reason")
    after = shell.json("mailboxes", "list")
    assert after[0]["signature"] == SIGNATURE
    assert [[row[name] for name in told] for row in after] == [[row[name] for name in told] for row in before]
    assert [bool(row["paused_at"]) for row in after] == [False, True]


def test_an_import_never_resumes(shell, world: World, tmp_path: Path):
    world.add("ada@pool.example")
    path = tmp_path / "mailboxes.csv"
    shell("mailboxes", "export", str(path))
    shell("mailboxes", "pause", "ada@pool.example", "--reason", "on holiday")
    shell("mailboxes", "import", str(path))
    assert world.mailbox("ada@pool.example").pause_reason == "on holiday"


def test_a_dead_grant_is_not_restored_as_a_working_one(shell, world: World, tmp_path: Path, typed):
    world.add("ada@pool.example")
    world.sandbox.revoke_grants("ada@pool.example", cause="revoked")
    shell("grants", "refresh", "ada@pool.example", code=1)
    path = str(tmp_path / "backup.json")
    assert shell.json("mailboxes", "export", path, "--with-grants")["grants"] == 0
    shell("mailboxes", "import", path)
    assert world.grant("ada@pool.example").state is GrantState.NEEDS_REAUTH


def test_a_verdict_about_the_same_grant_stays(shell, world: World, backup: Path):
    world.sandbox.revoke_grants("ada@pool.example", cause="revoked")
    shell("grants", "refresh", "ada@pool.example", code=1)
    assert shell.json("mailboxes", "import", str(backup))["grants_unchanged"] == 2
    assert world.grant("ada@pool.example").state is GrantState.NEEDS_REAUTH


def test_a_dead_grant_that_was_replaced_after_the_backup_is_not_worth_keeping(shell, world: World, backup: Path):
    world.reauthenticate("ada@pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'grant_refused_twice'")
    assert shell.json("mailboxes", "import", str(backup))["grants"] == 1
    assert world.tokens().get_token("ada@pool.example").seconds > 3000


@pytest.mark.e2e
def test_five_thousand_mailboxes_come_back(shell, world: World, tmp_path: Path, typed):
    numbers, encrypt = range(1, 5001), world.store.cipher.encrypt
    mailboxes = [{"address": f"m{n}@pool.example", "kind": "pool", "created_by": "test"} for n in numbers]
    grants = [
        {
            "mailbox_id": n,
            "state": "active",
            "refresh_token": encrypt(build_secret_owner(n), f"1//{n}"),
            "client_id": f"c{n}",
        }
        for n in numbers
    ]
    with world.store.engine.begin() as connection:
        connection.execute(sa.insert(Mailbox), mailboxes)
        connection.execute(sa.insert(OAuthGrant), grants)
    backup = str(tmp_path / "backup.json")
    assert shell.json("mailboxes", "export", backup, "--with-grants")["grants"] == 5000
    empty(world)
    assert shell.json("mailboxes", "import", backup)["grants"] == 5000
    query = "SELECT g.mailbox_id, m.address, g.refresh_token, g.client_id FROM gmail_warmup.oauth_grant g"
    restored = world.rows(f"{query} JOIN gmail_warmup.mailbox m ON m.id = g.mailbox_id")
    assert {
        (address, world.store.cipher.decrypt(build_secret_owner(mailbox_id), token), client_id)
        for mailbox_id, address, token, client_id in restored
    } == {(f"m{n}@pool.example", f"1//{n}", f"c{n}") for n in numbers}


def test_a_backup_leaves_out_what_no_import_accepts_and_can_be_restored(shell, world: World, tmp_path: Path, typed):
    world.add("ada@pool.example")
    world.sql(
        "INSERT INTO gmail_warmup.mailbox (address, kind, created_by, timezone, duplicate_number, paused_at,"
        f" pause_reason) VALUES ('eve@{GMAIL}', 'pool', 'x', 'UTC', 0, NULL, NULL),"
        f" ('e.ve@{GMAIL}', 'pool', 'x', 'UTC', 1, now(), 'is the same Google mailbox as eve@{GMAIL}'),"
        f" ('ben+x@{GMAIL}', 'pool', 'x', 'UTC', 0, NULL, NULL), ('b@pool.example', 'pool', 'x', 'CET', 0, NULL, NULL)"
    )
    world.sql(
        "INSERT INTO gmail_warmup.oauth_grant (mailbox_id) SELECT id FROM gmail_warmup.mailbox WHERE created_by = 'x'"
    )
    path = tmp_path / "backup.json"
    said = shell.json("mailboxes", "export", str(path), "--with-grants", code=1)
    assert said["left_out"].keys() == {f"e.ve@{GMAIL}", f"ben+x@{GMAIL}", "b@pool.example"}
    assert f"the same Google mailbox as eve@{GMAIL}" in said["left_out"][f"e.ve@{GMAIL}"]
    empty(world)
    assert shell.json("mailboxes", "import", str(path))["added"] == said["mailboxes"] == 2

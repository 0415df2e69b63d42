"""``gmail-warmup mailboxes`` and ``grants``: what a person and a program see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Shell
from support import program
from support.world import FERNET_KEY, World

ADA, BOB = "ada@warm.example", "bob@pool.example"


@pytest.fixture
def two(world: World) -> World:
    world.add(ADA, kind="warmup", tags=("north", "sales"))
    world.add(BOB, owner_email="olivia@example.com")
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked' WHERE mailbox_id = 2"
    )
    return world


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ([], [ADA, BOB]),
        (["--state", "needs_reauth"], [BOB]),
        (["--kind", "warmup"], [ADA]),
        (["--domain", "POOL.example"], [BOB]),
        (["--domain", "ool.example"], []),
        (["--search", "ad"], [ADA]),
        (["--tag", " SALES"], [ADA]),
        (["--owner", "Olivia@example.com"], [BOB]),
        (["--tag", "sales", "--owner", "olivia@example.com"], []),
        (["--search", "%"], []),
    ],
)
def test_the_list_is_filtered(two: World, shell: Any, options: list[str], listed: list[str]):
    assert [row["address"] for row in shell.json("mailboxes", "list", *options)] == listed


def test_the_table_fits_a_terminal(two: World, shell: Any):
    shown = shell("mailboxes", "list")
    assert all(len(line.rstrip()) <= 100 for line in shown.splitlines())
    assert "expired_or_revoked" in shown
    assert "2 mailboxes" in shown


def test_an_address_is_never_broken_in_two(two: World, shell: Any):
    address = "a-rather-long-name-of-somebody-in-sales@department.of.a.big.company.example"
    two.add(address)
    assert address in shell("mailboxes", "list")


def test_a_mailbox_is_added_once(world: World, shell: Any):
    shown = shell("mailboxes", "add", " Ada@Warm.example", "--kind", "warmup", "--timezone", "Europe/Berlin")
    assert "Added ada@warm.example" in shown
    assert "sign in" in shown
    mailbox = world.mailbox(ADA)
    assert (mailbox.timezone, mailbox.reason) == ("Europe/Berlin", "never_granted")
    shell("mailboxes", "add", ADA, "--kind", "pool", code=2)
    assert "ada@warm.example already exists" in shell.err
    assert world.mailbox(ADA).kind == "warmup"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mailboxes", "add", "ada", "--kind", "pool"], "not a mail address"),
        (["mailboxes", "add", ADA, "--kind", "pool", "--timezone", "Mars/Base"], "Mars/Base"),
        (["mailboxes", "pause", "x@y.example", ADA, "--reason", "why"], "Unknown mailbox: x@y.example"),
        (["mailboxes", "resume", "x@y.example"], "Unknown mailbox: x@y.example"),
        (["grants", "show", "x@y.example"], "Unknown mailbox: x@y.example"),
        (["grants", "events", "x@y.example"], "Unknown mailbox: x@y.example"),
        (["grants", "refresh", "x@y.example"], "Unknown mailbox: x@y.example"),
        (["mailboxes", "pause", ADA, "--reason", " "], "--reason is empty"),
    ],
)
def test_wrong_input_is_one_line(world: World, shell: Any, words: list[str], said: str):
    if "add" not in words:
        world.add(ADA)
    shell(*words, code=2)
    assert said in shell.err
    assert shell.err.startswith("Error: ")
    assert len(shell.err.splitlines()) == 1
    assert shell.out == ""
    if "add" not in words:
        assert world.mailbox(ADA).paused_at is None


def test_pause_and_resume(two: World, shell: Any):
    assert "Paused 2 of 2" in shell("mailboxes", "pause", ADA, BOB, "--reason", "holidays")
    assert two.mailbox(ADA).pause_reason == "holidays"
    assert "paused" in shell("mailboxes", "list")
    assert shell.json("mailboxes", "resume", "ADA@warm.example") == {"mailboxes": [ADA], "resumed": 1, "unchanged": 0}
    assert "Resumed 0 of 1 mailbox; no change for 1." in shell("mailboxes", "resume", ADA)
    assert two.mailbox(BOB).paused_at is not None


def test_show_tells_all_but_the_secrets(two: World, shell: Any):
    shown = shell("grants", "show", ADA)
    assert "active" in shown
    assert "client-1.apps.example.com" in shown
    known = shell.json("grants", "show", BOB, code=1)
    assert known["meaning"].startswith("Google says that the grant is expired or revoked")
    assert "Re-authenticate" in known["step"]
    stored = two.grant(BOB)
    assert stored.refresh_token is not None
    assert stored.refresh_token not in shell.out
    assert two.store.cipher.decrypt(stored.secret_owner, stored.refresh_token) not in shell.out


def test_refresh_asks_google_even_while_the_token_is_valid(world: World, shell: Any):
    world.add(ADA, expired=False)
    assert "valid for 59 minutes" in shell("grants", "refresh", ADA) or "valid for 60 minutes" in shell.out
    assert world.token_requests(ADA) == 1


def test_a_dead_grant_says_so_and_is_in_the_history(world: World, shell: Any):
    world.add(ADA)
    world.sandbox.revoke_grants(ADA, cause="revoked")
    shell("grants", "refresh", ADA, code=1)
    assert "expired or revoked" in shell.err
    shell("grants", "refresh", ADA, code=1)
    assert world.token_requests(ADA) == 1
    newest = shell.json("grants", "events", ADA)[0]
    assert (newest["from_state"], newest["to_state"]) == ("active", "needs_reauth")
    assert "expired_or_revoked" in shell("grants", "events", ADA)


def test_an_audit_without_findings(world: World, shell: Any):
    world.add(ADA)
    assert "No mailbox was newly flagged." in shell("grants", "audit")
    shell("grants", "audit")
    assert world.token_requests(ADA) == 1
    assert shell.json("grants", "audit", "--force")["refreshed"] == 1
    assert world.token_requests(ADA) == 2


def test_an_audit_names_who_needs_a_person(world: World, shell: Any):
    world.add(ADA)
    world.add(BOB)
    world.sandbox.revoke_grants(BOB, cause="revoked")
    shown = shell("grants", "audit", code=1)
    assert "Newly flagged: 1 mailbox" in shown
    assert BOB in shown
    assert shell.json("grants", "audit", code=1)["needs_reauth"] == 1


def test_an_audit_with_a_refused_client_blames_nobody(world: World, shell: Any):
    world.add(ADA)
    world.sandbox.put_client("client-1.apps.example.com", client_secrets=["another"])
    assert "the OAuth client is refused; no account is affected" in shell("grants", "audit", code=1)
    assert world.grant(ADA).state == "active"


def test_the_real_program_lists(two: World, tmp_path: Path):
    done = program.run(program.environment(tmp_path, two.store.engine, FERNET_KEY), "mailboxes", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")
    assert done.stdout.count(ADA) == 1


def test_the_real_program_without_a_key_is_one_line(two: World, tmp_path: Path):
    done = program.run(program.environment(tmp_path, two.store.engine, ""), "grants", "rotate")
    assert done.returncode == 2
    assert "AIRFLOW__CORE__FERNET_KEY is empty" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_is_quick():
    heavy = "import sys, gmail_warmup.cli; print([m for m in ('airflow', 'sqlalchemy', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readiness_as_table_csv_and_json(world: World, shell: Shell):
    world.add("ada@warm.example", kind="warmup")
    out = shell("mailboxes", "readiness")
    assert "warming" in out
    assert "0 of 1 mailbox ready, 0 cold mails today" in out
    header, row = shell("mailboxes", "readiness", "--csv").splitlines()
    assert header == "address,domain,state,reason,since,local_date,cold_mails,message,remedy"
    assert row.startswith("ada@warm.example,warm.example,warming,ramp_running,")
    (found,) = shell.json("mailboxes", "readiness", "--state", "warming")
    assert (found["address"], found["cold_mails"]) == ("ada@warm.example", 0)
    assert shell.json("mailboxes", "readiness", "--state", "ready") == []
    world.add("=ada@warm.example", kind="warmup")
    assert "'=ada@warm.example,warm.example" in shell("mailboxes", "readiness", "--csv"), "no formula in a spreadsheet"


def test_a_dry_run_of_an_import_lists_each_mailbox(shell, world: World, tmp_path: Path):
    world.add("ada@pool.example", daily_target=33)
    world.add("bob@pool.example")
    file = tmp_path / "mailboxes.csv"
    file.write_bytes(
        b"sep=;\r\naddress;kind;daily_target;pause_reason\r\nada@pool.example;pool;40;\r\nbob@pool.example;pool;40;\r\n"
        b"new@pool.example;Warmup;;holiday\r\n"
    )
    said = " ".join(shell("mailboxes", "import", str(file), "--dry-run").split())
    assert "line 3 ada@pool.example settings changed: daily_target 33 -> 40" in said
    assert "line 4 bob@pool.example existing, settings unchanged" in said
    assert "line 5 new@pool.example new; needs sign-in; paused: the import contains no grant for it" in said
    listed = shell.json("mailboxes", "import", str(file), "--dry-run")["mailboxes"]
    assert [(item["address"], item["mailbox"]) for item in listed] == [
        ("ada@pool.example", "changed"),
        ("bob@pool.example", "unchanged"),
        ("new@pool.example", "new"),
    ]
    assert world.mailbox("ada@pool.example").daily_target == 33


def test_a_terminal_shows_the_first_of_many_mailboxes(shell, world: World, tmp_path: Path):
    file = tmp_path / "mailboxes.csv"
    file.write_text("address,kind\n" + "".join(f"box{number}@pool.example,pool\n" for number in range(1000)))
    said = shell("mailboxes", "import", str(file), "--dry-run")
    assert len(said.splitlines()) < 220
    assert "... and 800 more; --json lists all of them." in said
    assert len(shell.json("mailboxes", "import", str(file), "--dry-run")["mailboxes"]) == 1000

"""Moving in: from a former system's database, and from files like token.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import GrantState
from gmail_warmup.oauth.token_endpoint import SCOPE
from support.world import CLIENT_ID, World

SECRETS = ("1//", "ya29", "GOCSPX")
CONN_ID = "former_system"
ADA, BEN, EVA, FINN = (f"{name}@warm.example" for name in ("ada", "ben", "eva", "finn"))

TABLE = """
CREATE TABLE accounts (
    id serial PRIMARY KEY, email text, account_type text, oauth_token json, daily_limit int, open_rate double precision,
    reply_rate int, timezone text, is_active boolean DEFAULT true, current_phase int, updated_at timestamp
)
"""


def token(world: World, address: str, **changed: Any) -> dict[str, Any]:
    """Return a grant of a mailbox as the former system kept it: google-auth's object, without an expiry."""
    world.sandbox.put_mailbox(address)
    grant = world.sandbox.grant(address, CLIENT_ID, scopes=[SCOPE], access_expired=True)
    found = {
        "token": grant.access_token, "refresh_token": grant.refresh_token, "client_id": CLIENT_ID,
        "client_secret": "GOCSPX-theirs", "token_uri": "https://oauth2.googleapis.com/token", "scopes": [SCOPE],
    }  # fmt: skip
    return {key: value for key, value in (found | changed).items() if value is not None}


class Former:
    """The former system's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def account(self, email: str, oauth_token: Any, **more: Any) -> None:
        values = {"email": email, "account_type": "warmup", **more}
        kept = oauth_token if isinstance(oauth_token, str | None) else json.dumps(oauth_token)
        names = ", ".join([*values, "oauth_token"])
        places = ", ".join(f":{name}" for name in [*values, "oauth_token"])
        self.sql(f"INSERT INTO accounts ({names}) VALUES ({places})", **values, oauth_token=kept)

    def contents(self) -> list[Any]:
        with self.engine.begin() as connection:
            return [tuple(map(str, row)) for row in connection.execute(sa.text("SELECT * FROM accounts ORDER BY id"))]


@pytest.fixture
def former(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Former]:
    server = sa.create_engine(postgres, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE former")
    url = sa.make_url(postgres).set(database="former")
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    found = Former(engine)
    found.sql(TABLE)
    extra = {"conn_type": "postgres", "login": url.username, "schema": "former", "extra": {"host": url.query["host"]}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(extra))
    try:
        yield found
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE former WITH (FORCE)")


def no_secret(shell: Any) -> None:
    assert not [secret for secret in SECRETS if secret in shell.out + shell.err]


@pytest.fixture
def accounts(former: Former, world: World) -> Former:
    """Accounts as a former system leaves them: good ones, and one with each thing that can be wrong."""
    former.account("Ada@warm.example", token(world, "ada@warm.example"), daily_limit=30, open_rate=0.8, reply_rate=55)
    former.account("ben@pool.example", token(world, "ben@pool.example"), account_type="POOL", timezone="Europe/Berlin")
    former.account("cleo@warm.example", json.dumps(token(world, "cleo@warm.example")), is_active=False)
    former.account("dan@warm.example", token(world, "dan@warm.example", refresh_token=None))
    former.account("eva@warm.example", None)
    former.account("finn@warm.example", token(world, "finn@warm.example", client_id="another.apps.example.com"))
    former.account("gwen@warm.example", token(world, "gwen@warm.example", scopes=["openid"]))
    former.account("hugo@warm.example", token(world, "hugo@warm.example", client_id=None, scopes=None))
    former.account("not an address", token(world, "x@warm.example"))
    former.account("iris@warm.example", token(world, "iris@warm.example"), daily_limit=9000)
    former.account("jack@warm.example", token(world, "jack@warm.example"), account_type="monitor")
    former.account("ADA@warm.example", token(world, "ada@warm.example"))
    return former


SIGN_IN = {
    "dan@warm.example": "no refresh_token",
    "eva@warm.example": "there is no token",
    "finn@warm.example": "an OAuth client that this installation does not have",
    "gwen@warm.example": "lacks the Gmail permission",
}
LEFT = {
    "not an address": "is not a mail address",
    "iris@warm.example": "daily_target: must be a whole number from 1 to 2000",
    "jack@warm.example": "kind: must be warmup or pool",
    "ada@warm.example": "appears twice",
}


def check_report(said: Any) -> None:
    for name, expected in (("to_sign_in", SIGN_IN), ("left", LEFT)):
        found = {remark["address"]: remark["why"] for remark in said[name]}
        assert found.keys() == expected.keys()
        assert [address for address, why in expected.items() if why not in found[address]] == []
    assert (said["added"], said["grants"], said["paused"]) == (8, 4, 1)


def test_a_dry_run_tells_the_same_and_writes_nothing(shell, world: World, accounts: Former):
    before = accounts.contents()
    said = shell.json("move-in", "database", CONN_ID, "--dry-run", code=1)
    check_report(said)
    assert said["unread"] == ["current_phase", "id", "updated_at"]
    assert world.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(0,)]
    no_secret(shell)
    check_report(shell.json("move-in", "database", CONN_ID, code=1))
    no_secret(shell)
    assert accounts.contents() == before


def test_a_row_with_the_grant_of_another_mailbox_needs_a_sign_in(shell, world: World, former: Former):
    former.account(ADA, token(world, BEN, account=BEN))
    said = shell.json("move-in", "database", CONN_ID, code=1)
    assert said["to_sign_in"][0]["why"] == f"the token is a grant of {BEN}, not of {ADA}; correct one of them."
    assert (said["added"], said["grants"]) == (1, 0)


def test_what_was_taken_works_with_its_settings(shell, world: World, accounts: Former):
    shell("move-in", "database", CONN_ID, code=1)
    no_secret(shell)
    ada, ben, cleo = (world.mailbox(name) for name in ("ada@warm.example", "ben@pool.example", "cleo@warm.example"))
    assert (ada.kind, ada.daily_target, ada.open_rate, ada.reply_rate) == ("warmup", 30, 80, 55)
    assert (ben.kind, ben.timezone, ben.daily_target) == ("pool", "Europe/Berlin", 40)
    assert cleo.pause_reason == "was not active in the previous system"
    for address in ("ada@warm.example", "ben@pool.example", "hugo@warm.example"):
        assert world.grant(address).access_token is None  # without an expiry it would be valid for ever
        assert world.tokens().get_token(address).seconds > 3000
    assert world.grant("dan@warm.example").state is GrantState.NEEDS_REAUTH


def test_moving_in_again_changes_nothing_that_is_here(shell, world: World, accounts: Former):
    shell("move-in", "database", CONN_ID, code=1)
    newer = world.reauthenticate("ada@warm.example")
    world.sql("UPDATE gmail_warmup.mailbox SET daily_target = 12, paused_at = NULL, pause_reason = NULL")
    accounts.sql("UPDATE accounts SET oauth_token = :token WHERE email LIKE 'dan@%'",
                token=json.dumps(token(world, "dan@warm.example")))  # fmt: skip
    said = shell.json("move-in", "database", CONN_ID, code=1)
    assert (said["added"], said["grants"]) == (0, 1)
    grant = world.grant("ada@warm.example")
    assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or "") == newer
    assert world.rows("SELECT DISTINCT daily_target, paused_at FROM gmail_warmup.mailbox") == [(12, None)]
    assert world.tokens().get_token("dan@warm.example").seconds > 3000


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ("ALTER TABLE accounts RENAME TO users", [], "no table 'accounts'; it has: users"),
        ("ALTER TABLE accounts RENAME email TO login", [], "no column for address: none of address, email"),
        ("SELECT 1", ["--column", "address=login"], "has no column 'login'"),
        ("SELECT 1", ["--column", "colour=email"], "'colour' is not a known field; known are address, kind"),
        ("SELECT 1", ["--column", "email"], "must have the form THING=NAME"),
    ],
)
def test_what_cannot_be_read_is_named(shell, world: World, former: Former, change: str, words: list[str], said: str):
    former.sql(change)
    shell("move-in", "database", CONN_ID, *words, code=2)
    assert said in " ".join(shell.err.split())


def test_a_column_with_another_name_is_named(shell, world: World, former: Former):
    former.account("ada@warm.example", token(world, "ada@warm.example"))
    former.sql("ALTER TABLE accounts RENAME email TO login")
    assert shell.json("move-in", "database", CONN_ID, "--column", "address=login")["grants"] == 1


def test_a_database_that_is_not_there_is_one_line(shell, world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", "postgres://me:hush@127.0.0.1:1/former")
    shell("move-in", "database", CONN_ID, code=2)
    assert "The database of the previous system cannot be read" in shell.err
    assert "hush" not in shell.err


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"conn_type": "mysql", "host": "db.example.com"}, "has the type 'mysql'; it must be 'postgres'"),
        ({"conn_type": "postgres", "host": "db.example.com", "extra": "sslmode=hush"}, "is not a JSON object"),
        ({"conn_type": "postgres", "host": "db.example.com", "extra": '["hush"]'}, "is not a JSON object"),
    ],
)
def test_a_connection_that_cannot_be_used_is_named_with_its_rule(
    shell, world: World, monkeypatch: pytest.MonkeyPatch, connection: dict[str, str], said: str
):
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    shell("move-in", "database", CONN_ID, code=2)
    assert CONN_ID in shell.err
    assert said in " ".join(shell.err.split())
    assert "hush" not in shell.err


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    """A folder of tokens as people keep them, with other files among them."""

    def write(name: str, content: Any) -> None:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))

    write(f"{ADA}.json", token(world, "ada@warm.example"))
    write(f"token_{BEN}.json", token(world, "ben@warm.example"))
    write("third.json", token(world, "cleo@warm.example", account="cleo@warm.example"))
    write("token.json", token(world, "dan@warm.example"))
    write("credentials.json", {"installed": {"client_id": CLIENT_ID, "client_secret": "GOCSPX-theirs"}})
    write("robot.json", {"type": "service_account", "private_key": "1//key"})
    write(f"{EVA}.pickle", "\x80\x04ya29.pickled")
    write(f"{FINN}.json", token(world, "finn@warm.example", refresh_token=None))
    write("notes.txt", "[1]")
    write(".hidden", "")
    (tmp_path / "older").mkdir()
    return tmp_path


def test_a_folder_of_token_files(shell, world: World, folder: Path):
    said = shell.json("move-in", "tokens", str(folder), "--kind", "warmup", code=1)
    assert (said["added"], said["grants"]) == (3, 2)
    assert [remark["address"] for remark in said["to_sign_in"]] == ["finn@warm.example"]
    assert {remark["source"]: remark["why"].split(";")[0].split(",")[0] for remark in said["left"]} == {
        "credentials.json": "is an OAuth client",
        f"{EVA}.pickle": "is not JSON",
        "notes.txt": "contains no authorized_user object.",
        "robot.json": "is the key of a service account",
        "token.json": "contains no address",
        f"token_{BEN}.json": f"its name can mean token_{BEN} or {BEN}",
    }
    no_secret(shell)
    for address in ("ada@warm.example", "cleo@warm.example"):
        assert world.tokens().get_token(address).seconds > 3000


def test_one_token_file_for_a_mailbox_that_waits_for_its_grant(shell, world: World, folder: Path):
    shell("mailboxes", "add", "dan@warm.example", "--kind", "pool", "--daily-target", "7")
    shell("move-in", "tokens", str(folder / "token.json"), "--kind", "warmup", "--address", "dan@warm.example")
    assert "Imported 1 mailbox: 0 new, 1 existing; 1 grant." in shell.out
    dan = world.mailbox("dan@warm.example")
    assert (dan.kind, dan.daily_target, dan.state) == ("pool", 7, GrantState.ACTIVE)


def test_a_dry_run_over_files_writes_nothing(shell, world: World, folder: Path):
    shell("move-in", "tokens", str(folder), "--kind", "warmup", "--dry-run", code=1)
    assert "Would import 3 mailboxes" in shell.out
    assert "Nothing was written." in shell.out
    said = " ".join(shell.out.split())
    assert f"{FINN}.json {FINN} new; needs sign-in: the token contains no refresh_token; sign in again" in said
    assert f"{ADA}.json {ADA} new; grant imported" in said
    assert world.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(0,)]
    no_secret(shell)


SMITH = "smith@warm.example"


@pytest.mark.parametrize("existing", [(), (SMITH,), (f"ada_{SMITH}",), (SMITH, f"ada_{SMITH}")])
def test_an_underscore_belongs_to_the_address(shell, world: World, tmp_path: Path, existing: tuple[str, ...]):
    for address in existing:
        world.add(address)
    before = world.grant(SMITH).refresh_token if SMITH in existing else None
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth'")
    (tmp_path / f"ada_{SMITH}.json").write_text(json.dumps(token(world, f"ada_{SMITH}")))
    said = shell.json("move-in", "tokens", str(tmp_path), "--kind", "warmup")
    (effect,) = said["mailboxes"]
    assert (effect["address"], said["grants"], said["left"]) == (f"ada_{SMITH}", 1, [])
    assert world.tokens().get_token(f"ada_{SMITH}").seconds > 3000
    if SMITH in existing:
        assert world.grant(SMITH).refresh_token == before


def test_a_name_with_two_readings_is_the_mailbox_that_exists(shell, world: World, folder: Path):
    shell("mailboxes", "add", BEN, "--kind", "pool")
    said = shell.json("move-in", "tokens", str(folder), "--kind", "warmup", code=1)
    assert [item["grant"] for item in said["mailboxes"] if item["source"] == f"token_{BEN}.json"] == ["imported"]
    assert world.tokens().get_token(BEN).seconds > 3000


def test_a_pattern_says_where_the_address_is(shell, world: World, folder: Path):
    words = ("move-in", "tokens", str(folder), "--kind", "warmup", "--name-pattern", "token_{address}.json")
    said = shell.json(*words, code=1)
    assert {item["address"] for item in said["mailboxes"] if item["grant"] == "imported"} == {BEN, "cleo@warm.example"}


@pytest.mark.parametrize(
    "scope",
    [
        {"scope": "https://www.googleapis.com/auth/gmail.readonly"},
        {"scope": "openid,https://www.googleapis.com/auth/gmail.send"},
        {"granted_scopes": ["https://www.googleapis.com/auth/gmail.readonly"], "scopes": [SCOPE]},
        {"token_response": {"scope": "openid"}, "scopes": [SCOPE]},
        {"scopes": "https://www.googleapis.com/auth/gmail.readonly"},
    ],
)
def test_a_grant_that_lacks_the_gmail_scope_is_not_taken(shell, world: World, tmp_path: Path, scope: dict[str, Any]):
    (tmp_path / f"{ADA}.json").write_text(json.dumps(token(world, ADA, scopes=None) | scope))
    said = shell.json("move-in", "tokens", str(tmp_path), "--kind", "warmup", code=1)
    assert said["grants"] == 0
    assert "lacks the Gmail permission gmail.modify" in said["to_sign_in"][0]["why"]


def test_a_dry_run_lists_each_mailbox_with_what_would_happen(shell, world: World, tmp_path: Path):
    for address in (ADA, BEN, FINN):
        world.add(address)
    world.sql("UPDATE gmail_warmup.oauth_grant g SET state = 'needs_reauth', refresh_token = NULL FROM "
              "gmail_warmup.mailbox m WHERE m.id = mailbox_id AND address = :ben", ben=BEN)  # fmt: skip
    world.sql("UPDATE gmail_warmup.oauth_grant g SET state = 'needs_reauth' FROM gmail_warmup.mailbox m "
              "WHERE m.id = mailbox_id AND address = :finn", finn=FINN)  # fmt: skip
    for address in (ADA, BEN, FINN, EVA):
        (tmp_path / f"{address}.json").write_text(json.dumps(token(world, address)))
    said = shell.json("move-in", "tokens", str(tmp_path), "--kind", "warmup", "--dry-run", code=1)
    assert {item["address"]: (item["mailbox"], item["grant"], item["why"]) for item in said["mailboxes"]} == {
        ADA: ("not_imported", "none", "exists already, with a grant that works."),
        BEN: ("unchanged", "imported", ""),
        FINN: ("unchanged", "replaced", ""),
        EVA: ("new", "imported", ""),
    }


def test_files_that_cannot_be_meant(shell, world: World, folder: Path):
    shell("move-in", "tokens", str(folder / "none"), "--kind", "pool", code=2)
    assert "does not exist" in shell.err
    shell("move-in", "tokens", str(folder), "--kind", "pool", "--address", "ada@warm.example", code=2)
    assert "is a folder" in shell.err


def test_nothing_is_half_taken(shell, world: World, folder: Path):
    world.sql(
        "CREATE FUNCTION gmail_warmup.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.address LIKE 'cleo@%' THEN RAISE 'the disk is full'; END IF; RETURN NEW; END $$"
    )
    world.sql("CREATE TRIGGER refuse BEFORE INSERT ON gmail_warmup.mailbox FOR EACH ROW EXECUTE FUNCTION "
              "gmail_warmup.refuse()")  # fmt: skip
    try:
        with pytest.raises(AssertionError, match="the disk is full"):
            shell("move-in", "tokens", str(folder), "--kind", "warmup")
    finally:
        world.sql("DROP FUNCTION gmail_warmup.refuse() CASCADE")
    assert world.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(0,)]

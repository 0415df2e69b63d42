"""Key rotation on real rows: while others write, after a kill, and with rows that nobody can read."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet
from typer.testing import CliRunner

from gmail_warmup.cli import app
from gmail_warmup.crypto import key_rotation as rotation
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.crypto.key_rotation import RotationResult, rotate_keys
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from support.workers import services
from support.world import World

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
ADDRESSES = [f"m{number}@pool.example" for number in range(5)]


@pytest.fixture(scope="module")
def cipher() -> Cipher:
    """Processes have the new key, and wrote everything so far with the old one."""
    return Cipher(MultiFernet([Fernet(OLD), Fernet(NEW)]))


@pytest.fixture
def five(world: World) -> World:
    for address in ADDRESSES:
        world.add(address, expired=False)
    return world


def run(world: World, **options: Any) -> RotationResult:
    return rotate_keys(world.store.engine, FernetKeys([NEW, OLD]), actor="test", **options)


def under(key: str, world: World) -> int:
    """Return how many of all refresh and access tokens this key alone reads."""
    query = sa.text("SELECT unnest(ARRAY[refresh_token, access_token]) FROM gmail_warmup.oauth_grant")
    fernet, count = Fernet(key), 0
    with world.store.engine.connect() as connection:
        for ciphertext in connection.scalars(query):
            try:
                fernet.decrypt(ciphertext)
                count += 1
            except Exception:
                continue
    return count


def test_everything_comes_under_the_new_key(five: World):
    GrantLeases(five.store.engine, seconds=60).take([1])
    before = [five.grant(address) for address in ADDRESSES]
    done = run(five)
    assert (done.rotated, done.already_new, done.unreadable) == (5, 0, [])
    assert (under(NEW, five), under(OLD, five)) == (10, 0)
    for old in before:
        new = five.grant(old.address)
        assert old.refresh_token
        assert new.refresh_token
        assert five.store.cipher.decrypt(new.secret_owner, new.refresh_token) == five.store.cipher.decrypt(
            old.secret_owner, old.refresh_token
        )
        assert (new.version, new.lease_holder, new.lease_until) == (old.version, old.lease_holder, old.lease_until)
    again = run(five)
    assert (again.rotated, again.already_new) == (0, 5)


def test_a_grant_renewed_between_reading_and_writing_is_kept(five: World, monkeypatch: pytest.MonkeyPatch):
    grant = five.grant(ADDRESSES[0])
    token = grant.access_token and five.store.cipher.decrypt(grant.secret_owner, grant.access_token)
    real, refreshed = rotation._update_row, []

    def slow_write(*arguments: Any) -> bool:
        if not refreshed:
            refreshed.append(five.tokens().get_token(ADDRESSES[0], rejected=token).token)
        return real(*arguments)

    monkeypatch.setattr(rotation, "_update_row", slow_write)
    assert run(five).rotated == 5
    stored = five.grant(ADDRESSES[0])
    assert stored.access_token
    assert five.store.cipher.decrypt(stored.secret_owner, stored.access_token) == refreshed[0]
    assert under(NEW, five) == 10


def test_a_refresh_begun_before_the_rotation_can_still_write(five: World):
    grant = five.grant(ADDRESSES[0])
    assert grant.access_token
    assert grant.refresh_token
    verdict = TokenEndpoint(five.client).refresh_access_token(
        five.store.cipher.decrypt(grant.secret_owner, grant.refresh_token)
    )
    run(five)
    assert five.store.record_tokens(grant, verdict, elapsed=0, client_id="c", actor=Actor(name="test"))
    assert run(five).rotated == 1
    assert five.tokens().get_token(ADDRESSES[0]).token == verdict.access_token


def test_a_killed_run_is_run_again(five: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rotation, "BATCH_SIZE", 2)

    def die(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(five, progress=die)
    assert (under(NEW, five), under(OLD, five)) == (4, 6)
    seen: list[int] = []
    done = run(five, progress=seen.append)
    assert (done.rotated, done.already_new) == (3, 2)
    assert seen == [2, 4, 5]


@pytest.mark.parametrize("how", ["another key", "another row"])
def test_unreadable_rows_are_named_and_left(five: World, how: str, monkeypatch: pytest.MonkeyPatch):
    if how == "another key":
        five.sql(
            "UPDATE gmail_warmup.oauth_grant SET refresh_token = :text WHERE mailbox_id = 3",
            text=Fernet(LOST).encrypt(b"x").decode(),
        )
    else:
        five.sql(
            "UPDATE gmail_warmup.oauth_grant SET refresh_token = (SELECT refresh_token FROM gmail_warmup.oauth_grant"
            " WHERE mailbox_id = 1) WHERE mailbox_id = 3"
        )
    before = five.grant(ADDRESSES[2])
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{NEW},{OLD}")
    done = CliRunner().invoke(app, ["grants", "rotate"], obj=services(five))
    assert done.exit_code == 1
    assert "4 rotated, 0 already under the newest key, 1 unreadable" in done.stdout
    assert ADDRESSES[2] in done.stdout
    after = five.grant(ADDRESSES[2])
    assert (after.refresh_token, after.access_token) == (before.refresh_token, before.access_token)


def test_open_consents_are_rotated_and_readable_with_the_new_key(world: World, store: GrantStore):
    flow = ConsentFlow(store, lambda _: TokenEndpoint(world.client), redirect_uri="http://localhost/callback")
    for name in ("open", "used", "late"):
        flow.start_addition(
            f"{name}@pool.example", MailboxSettings(kind="pool"), BrowserSession(user="ada", browser="b")
        )
    world.sql("UPDATE gmail_warmup.consent SET used_at = now() WHERE address LIKE 'used%'")
    world.sql("UPDATE gmail_warmup.consent SET expires_at = now() WHERE address LIKE 'late%'")
    assert run(world).rotated == 1
    query = sa.text("SELECT state_hash, code_verifier FROM gmail_warmup.consent WHERE address LIKE 'open%'")
    with store.engine.connect() as connection:
        state_hash, verifier = connection.execute(query).one()
    assert len(Cipher(MultiFernet([Fernet(NEW)])).decrypt(f"consent:{state_hash}", verifier)) > 40

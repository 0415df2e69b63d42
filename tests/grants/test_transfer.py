"""Import: everything or nothing, and an error for each bad line."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gmail_warmup.db.models import GrantState
from gmail_warmup.errors import InvalidInputError
from gmail_warmup.grants import transfer
from gmail_warmup.grants.endpoint import Verdict
from gmail_warmup.grants.reasons import REASONS
from world import CLIENT_ID, World

TOKEN = {"token": "ya29.x", "refresh_token": "1//abc", "client_id": CLIENT_ID, "scopes": ["a", "b"]}


def test_csv_of_settings():
    found = transfer.parse(
        "address,kind,daily_target,timezone\nAda@Warm.example,warmup,30,Europe/Berlin\nb@pool.example,pool,,\n"
    )
    assert [(item.address, item.settings.kind, item.settings.daily_target) for item in found] == [
        ("ada@warm.example", "warmup", 30),
        ("b@pool.example", "pool", 50),
    ]
    assert found[0].settings.timezone == "Europe/Berlin"
    assert found[1].grant is None


@pytest.mark.parametrize("token", [TOKEN, json.dumps(TOKEN)], ids=["object", "text of a column"])
def test_a_token_without_an_expiry_is_taken_without_its_access_token(world: World, token: object):
    incoming = transfer.parse(json.dumps([{"address": "ada@warm.example", "kind": "warmup", "oauth_token": token}]))
    transfer.take_over(world.store, incoming, actor=world.actor)
    grant = world.grant("ada@warm.example")
    assert grant.state is GrantState.ACTIVE
    assert grant.access_token is None
    assert grant.refresh_token
    assert world.store.cipher.decrypt(grant.owner, grant.refresh_token) == "1//abc"


def test_a_token_with_an_expiry_keeps_its_access_token(world: World):
    token = TOKEN | {"expiry": "2030-01-01T00:00:00"}
    incoming = transfer.parse(json.dumps([{"address": "ada@warm.example", "kind": "warmup", "oauth_token": token}]))
    transfer.take_over(world.store, incoming, actor=world.actor)
    assert world.grant("ada@warm.example").access_seconds > 0


def test_importing_again_updates_and_doubles_nothing(world: World):
    world.add("ada@warm.example", kind="warmup")
    transfer.take_over(
        world.store, transfer.parse("address,kind,open_rate\nada@warm.example,warmup,60\n"), actor=world.actor
    )
    assert world.mailbox("ada@warm.example").open_rate == 60
    assert world.grant("ada@warm.example").refresh_token


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("kind,open_rate\npool,80\n", "header line with the columns address and kind"),
        ("address,kind\nnobody,pool\n", "line 2: 'nobody' is not a mail address"),
        ("address,kind\na@pool.example,boss\n", "line 2: a@pool.example: kind"),
        ("address,kind,timezone\na@pool.example,pool,Mars/Base\n", "IANA time zone.*Mars/Base"),
        ("address,kind,open_rate\na@pool.example,pool,101\n", "open_rate: must be a whole number from 0 to 100 .*101"),
        ("address,kind,reply_rate\na@pool.example,pool,-1\n", "reply_rate: must be a whole number from 0 to 100 .*-1"),
        ("address,kind,colour\na@pool.example,pool,red\n", "unknown column colour"),
        ("address,kind\na@pool.example,pool\nA@pool.example,pool\n", "line 3: a@pool.example stands here twice"),
        ("[1, 2]", "list of objects"),
        ("[{", "not JSON"),
        ('[{"address": "a@pool.example", "kind": "pool", "oauth_token": {"token": "x"}}]', "no refresh_token"),
        ('[{"address": "a@pool.example", "kind": "pool", "oauth_token": "{"}]', "token is not JSON"),
    ],
)
def test_each_bad_input_is_named_with_its_rule(text: str, said: str):
    with pytest.raises(InvalidInputError, match=said):
        transfer.parse(text)


def test_every_bad_line_is_listed():
    with pytest.raises(InvalidInputError, match=r"2 of 3 cannot be imported, so nothing was") as caught:
        transfer.parse("address,kind\nx,pool\nok@pool.example,pool\ny,pool\n")
    assert "line 2" in str(caught.value)
    assert "line 4" in str(caught.value)


def test_no_error_shows_a_token():
    broken = [{"address": "a@pool.example", "kind": "boss", "oauth_token": TOKEN}]
    with pytest.raises(InvalidInputError) as caught:
        transfer.parse(json.dumps(broken))
    assert "1//abc" not in str(caught.value)
    assert "ya29" not in str(caught.value)


def test_a_consent_that_comes_while_a_backup_is_restored_wins(world: World):
    world.add("ada@warm.example")
    backup = transfer.parse(json.dumps([{"address": "ada@warm.example", "kind": "warmup", "grant": TOKEN}]))
    made_at = datetime.now(UTC) - timedelta(hours=1)
    newer = world.sandbox.grant("ada@warm.example", CLIENT_ID)
    verdict = Verdict(reason=REASONS["ok"], access_token="ya29.y", expires_in=3599, refresh_token=newer.refresh_token)
    with ThreadPoolExecutor(1) as pool:
        with world.store.engine.begin() as connection:
            world.store.replace(connection, 1, verdict, client_id=CLIENT_ID, elapsed=0, actor=world.actor)
            restoring = pool.submit(transfer.take_over, world.store, backup, actor=world.actor, exported_at=made_at)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until = time.monotonic() + 30
            while world.rows(waiting) == [(0,)]:
                assert not restoring.done()
                assert time.monotonic() < until
        done = restoring.result()
    assert (done.grants, done.grants_kept) == (0, 1)
    grant = world.grant("ada@warm.example")
    assert world.store.cipher.decrypt(grant.owner, grant.refresh_token or "") == newer.refresh_token

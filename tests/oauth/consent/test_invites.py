"""Invites: one use however many race for it, nothing stored that opens a link, an end whenever somebody wants it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import InviteState
from gmail_warmup.core.errors import InvalidInputError, TooManyConsentsError, UnknownInviteError
from gmail_warmup.oauth.consent import invites
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.flow import MAX_INVITE_CONSENTS_PER_HOUR, ConsentFlow
from gmail_warmup.oauth.consent.invites import InviteClosedError, NewInvite
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from support.interleaving import results, until_waiting
from support.world import CLIENT_ID, CLIENT_SECRET, FERNET_KEY, World
from web.kit import at_google

ADA, BOB = "ada@warm.example", "bob@pool.example"
REDIRECT_URI = "http://localhost/callback"
TESTS = Path(__file__).parents[2]


@pytest.fixture
def ada(world: World) -> World:
    """Ada's mailbox, of which the grant is dead."""
    world.add(ADA)
    world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[REDIRECT_URI])
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    return world


def make(world: World, *addresses: str, days: int = 7) -> list[NewInvite]:
    with world.store.engine.begin() as connection:
        return invites.create_invites(connection, addresses or (ADA,), actor="op", days=days)


def state_of(world: World, invite_id: int = 1) -> InviteState:
    with world.store.engine.begin() as connection:
        return invites.get_invite(connection, invite_id).state


def flow_of(world: World) -> ConsentFlow:
    return ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri=REDIRECT_URI)


def at_callback(world: World, token: str, browser: str) -> dict[str, str]:
    """Follow an invite to its end at Google; return what the callback is called with."""
    url = flow_of(world).start_from_invite(token, browser=browser)
    assert url
    query = parse_qs(urlsplit(at_google(url, ADA)).query)
    return {"state": query["state"][0], "code": query["code"][0], "browser": browser}


def follower(world: World, callback: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that is about to finish a consent."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("invite_follower.py"))],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    order: dict[str, Any] = {
        "database": world.store.engine.url.render_as_string(hide_password=False), "sandbox": world.sandbox.base_url,
        "key": FERNET_KEY, "redirect_uri": REDIRECT_URI,
    }  # fmt: skip
    assert process.stdin
    process.stdin.write(json.dumps(order | callback) + "\n")
    process.stdin.flush()
    return process


def let_go(world: World, processes: list[subprocess.Popen[str]]) -> None:
    """Let them run until each waits for the invite's row."""
    for process in processes:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.communicate()
        process.stdin.write("go\n")
        process.stdin.flush()
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%gmail_warmup.invite%'"
    )
    deadline = time.monotonic() + 60
    while world.rows(waiting) != [(len(processes),)]:
        assert all(process.poll() is None for process in processes), [process.communicate() for process in processes]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def outcomes(processes: list[subprocess.Popen[str]]) -> list[str]:
    ended = [process.communicate(timeout=60) for process in processes]
    assert {process.returncode for process in processes} == {0}, ended
    return sorted(json.loads(out) for out, _ in ended)


def test_of_processes_that_race_for_one_invite_one_wins(ada: World):
    token = make(ada)[0].token
    callbacks = [at_callback(ada, token, f"browser-{number}") for number in range(3)]
    before = ada.grant(ADA)
    processes = [follower(ada, callback) for callback in callbacks]
    with ada.store.engine.begin() as connection:
        connection.execute(sa.text("SELECT FROM gmail_warmup.invite FOR UPDATE"))
        let_go(ada, processes)
    assert outcomes(processes) == ["granted", "replayed_link", "replayed_link"]
    assert ada.grant(ADA).version == before.version + 1
    assert state_of(ada) is InviteState.USED
    assert ada.events(ADA)[-1] == ("needs_reauth", "active", "consent")
    assert len(ada.events(ADA)) == 3


def test_consents_that_start_at_once_keep_the_limit_of_an_hour(ada: World):
    token = make(ada)[0].token
    for number in range(MAX_INVITE_CONSENTS_PER_HOUR - 1):
        assert flow_of(ada).start_from_invite(token, browser=f"browser-{number}")

    def start(browser: str) -> str | None:
        try:
            return flow_of(ada).start_from_invite(token, browser=browser)
        except TooManyConsentsError:
            return None

    with ThreadPoolExecutor(4) as pool:
        with ada.store.engine.begin() as connection:
            connection.execute(sa.text("SELECT FROM gmail_warmup.invite FOR NO KEY UPDATE"))
            running = [pool.submit(start, f"late-{number}") for number in range(4)]
            until_waiting(ada, *running)
        started = results(running)
    assert [url is not None for url in started].count(True) == 1
    assert ada.rows("SELECT count(*) FROM gmail_warmup.consent") == [(MAX_INVITE_CONSENTS_PER_HOUR,)]


def test_a_revocation_beats_a_consent_that_comes_back_at_the_same_time(ada: World):
    token = make(ada)[0].token
    process = follower(ada, at_callback(ada, token, "browser"))
    before = ada.grant(ADA)
    with ada.store.engine.begin() as connection:
        invites.revoke_invite(connection, 1, actor="op")
        let_go(ada, [process])
    assert outcomes([process]) == ["invite_over"]
    assert ada.grant(ADA).version == before.version


def test_a_revocation_that_comes_too_late_says_so(ada: World):
    callback = at_callback(ada, make(ada)[0].token, "browser")
    with ada.store.engine.begin() as connection:
        invites.consume_invite(connection, 1)
        with pytest.raises(InvalidInputError, match="is connected"):
            invites.revoke_invite(connection, 1, actor="op")
    with pytest.raises(ConsentRefusedError, match="replayed_link"):
        flow_of(ada).finish(
            state=callback["state"],
            code=callback["code"],
            error="",
            session=BrowserSession(user=None, browser="browser"),
        )


def test_a_grant_that_could_not_be_written_leaves_the_invite_unused(ada: World):
    callback = at_callback(ada, make(ada)[0].token, "browser")
    ada.sql("ALTER TABLE gmail_warmup.grant_event RENAME TO hidden")
    try:
        with pytest.raises(sa.exc.ProgrammingError):
            flow_of(ada).finish(
                state=callback["state"],
                code=callback["code"],
                error="",
                session=BrowserSession(user=None, browser="browser"),
            )
    finally:
        ada.sql("ALTER TABLE gmail_warmup.hidden RENAME TO grant_event")
    assert state_of(ada) is InviteState.OPEN
    assert ada.grant(ADA).state == "needs_reauth"


def test_what_is_stored_opens_no_link(ada: World):
    made = make(ada)[0]
    assert len(made.token) == 43
    assert made.token not in repr(made)
    stored = str(ada.rows("SELECT * FROM gmail_warmup.invite"))
    assert made.token not in stored
    (hashed,) = ada.rows("SELECT token_hash FROM gmail_warmup.invite")[0]
    with ada.store.engine.begin() as connection:
        assert invites.find_open_invite(connection, hashed) is None
        assert invites.find_open_invite(connection, hashed[:43]) is None
        found = invites.find_open_invite(connection, made.token)
    assert found
    assert (found.address, found.state) == (ADA, "open")


def test_all_are_made_or_none_and_each_once(ada: World):
    ada.add(BOB)
    made = make(ada, BOB, ADA, BOB.upper(), days=30)
    assert [(new.id, new.address) for new in made] == [(1, ADA), (2, BOB)]
    assert len({new.token for new in made}) == 2
    assert ada.rows("SELECT DISTINCT extract(day FROM expires_at - created_at) FROM gmail_warmup.invite") == [(30,)]
    with pytest.raises(InvalidInputError, match=r"x@y\.example"):
        make(ada, ADA, "x@y.example")
    assert ada.rows("SELECT count(*) FROM gmail_warmup.invite") == [(2,)]


@pytest.mark.parametrize(
    ("change", "state"),
    [("used_at", "used"), ("revoked_at", "revoked"), ("expires_at", "expired")],
)
def test_a_closed_invite_is_not_used(ada: World, change: str, state: str):
    token = make(ada)[0].token
    ada.sql(f"UPDATE gmail_warmup.invite SET {change} = now()")
    assert state_of(ada) == state
    assert flow_of(ada).start_from_invite(token, browser="browser") is None
    assert ada.rows("SELECT count(*) FROM gmail_warmup.consent") == [(0,)]
    with ada.store.engine.begin() as connection, pytest.raises(InviteClosedError, match=state):
        invites.consume_invite(connection, 1)


def test_an_unknown_invite_is_named(ada: World):
    with ada.store.engine.begin() as connection:
        for act in (
            invites.get_invite,
            invites.consume_invite,
            lambda c, number: invites.revoke_invite(c, number, actor="op"),
        ):
            with pytest.raises(UnknownInviteError, match="no invite 5"):
                act(connection, 5)

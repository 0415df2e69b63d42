"""The refresh protocol: one request, no newer grant harmed, valid tokens served."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.errors import ConfigurationError, UnknownMailboxError
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.access_tokens import AccessToken, AccessTokens
from gmail_warmup.oauth.errors import FlaggedGrantError, SuspectGrantError, TransientGrantError, UnreadableGrantError
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.interleaving import holding
from support.world import CLIENT_ID, CLIENT_SECRET, World

ADDRESS = "ada@pool.example"


def test_a_valid_token_is_served_without_asking_google(world: World):
    world.add(ADDRESS, expired=False)
    assert world.tokens().get_token(ADDRESS).token
    assert world.token_requests() == 0


def test_an_expired_token_is_refreshed_and_stored(world: World, caplog: pytest.LogCaptureFixture):
    world.add(ADDRESS)
    with caplog.at_level(logging.INFO):
        first = world.tokens().get_token(ADDRESS)
    assert world.tokens().get_token(ADDRESS).token == first.token
    assert world.token_requests(ADDRESS) == 1
    assert 3500 < world.grant(ADDRESS).access_seconds <= 3600
    assert f"Successfully refreshed expired credentials for {ADDRESS}" in caplog.text
    assert f"Updated OAuth token for account {ADDRESS}" in caplog.text
    assert first.token not in caplog.text


def test_many_at_once_make_one_request(world: World):
    world.add(ADDRESS)
    world.sandbox.set(latency_ms={"token": 300})
    with ThreadPoolExecutor(16) as pool:
        tokens = {
            future.result().token for future in [pool.submit(world.tokens().get_token, ADDRESS) for _ in range(16)]
        }
    assert len(tokens) == 1
    assert world.token_requests(ADDRESS) == 1


def test_a_lease_whose_holder_died_is_taken_over(world: World):
    mailbox_id = world.add(ADDRESS)
    assert GrantLeases(world.store.engine, seconds=1).take([mailbox_id])
    assert world.tokens().get_token(ADDRESS).token
    assert world.token_requests(ADDRESS) == 1


def test_a_waiter_uses_the_stored_token_while_it_is_valid(world: World):
    mailbox_id = world.add(ADDRESS, expired=False)
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '60 s'")
    GrantLeases(world.store.engine, seconds=60).take([mailbox_id])
    assert world.tokens(margin=300).get_token(ADDRESS).seconds == pytest.approx(60, abs=30)
    assert world.token_requests() == 0


def test_a_valid_token_is_served_while_refreshing_fails(world: World):
    world.add(ADDRESS, expired=False)
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '60 s'")
    world.sandbox.add_fault("token", name="token.html_503")
    assert world.tokens(margin=300).get_token(ADDRESS).token
    assert world.token_requests() > 0


@pytest.mark.parametrize(
    "error", [ConfigurationError("the Connection is missing"), OSError("no route to the secrets backend")]
)
def test_a_valid_token_is_served_while_the_client_cannot_be_read(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
):
    world.add(ADDRESS, expired=False)

    def read_client(_: str | None) -> NoReturn:
        raise error

    def get_token() -> AccessToken:
        return AccessTokens(world.store, read_client, actor=world.actor, margin=300).get_token(ADDRESS)

    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '60 s'")
    for _ in range(2):
        assert get_token().seconds == pytest.approx(60, abs=30)
    assert not world.grant(ADDRESS).is_leased
    assert "its access token is still valid" in caplog.text
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    with pytest.raises(type(error)):
        get_token()
    assert not world.grant(ADDRESS).is_leased


def test_a_token_that_gmail_rejected_is_not_served_again(world: World):
    world.add(ADDRESS, expired=False)
    first = world.tokens().get_token(ADDRESS)
    second = world.tokens().get_token(ADDRESS, rejected=first.token)
    assert second.token != first.token
    # Another task with the same rejected token reuses what the first one fetched.
    assert world.tokens().get_token(ADDRESS, rejected=first.token).token == second.token
    assert world.token_requests(ADDRESS) == 1


@pytest.mark.parametrize("late", ["token.revoked", None])
def test_a_late_answer_cannot_touch_a_newer_grant(world: World, late: str | None):
    """A refresh is under way when a person re-authenticates: neither its refusal nor its token may land."""
    mailbox_id = world.add(ADDRESS)
    newer = world.sandbox.grant(ADDRESS, CLIENT_ID)
    with ThreadPoolExecutor(1) as pool:
        with holding(world.sandbox, "token", name=late, times=1) as until_held:
            running = pool.submit(world.tokens().get_token, ADDRESS)
            until_held()
            with world.store.engine.begin() as connection:
                world.store.import_grant(
                    connection, mailbox_id, refresh_token=newer.refresh_token, client_id=CLIENT_ID, actor=world.actor
                )
        running.result()
    grant = world.grant(ADDRESS)
    assert grant.state is GrantState.ACTIVE
    assert grant.refresh_token
    assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token) == newer.refresh_token
    assert [event for event in world.events(ADDRESS) if event[1] != "active"] == [
        (None, "needs_reauth", "never_granted")
    ]


def test_a_flagged_mailbox_costs_no_request(world: World):
    world.add(ADDRESS)
    world.sandbox.revoke_grants(ADDRESS, cause="revoked")
    for _ in range(5):
        with pytest.raises(FlaggedGrantError, match="Re-authenticate"):
            world.tokens().get_token(ADDRESS)
    assert world.token_requests(ADDRESS) == 1


def test_an_unexplained_refusal_needs_a_second_probe(world: World):
    world.add(ADDRESS)
    world.sandbox.revoke_grants(ADDRESS, cause="bad_request")
    for _ in range(3):
        with pytest.raises(SuspectGrantError):
            world.tokens().get_token(ADDRESS)
    assert world.token_requests(ADDRESS) == 1
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state_since = state_since - interval '15 min', next_probe_at = now()"
    )
    with pytest.raises(FlaggedGrantError):
        world.tokens().get_token(ADDRESS)
    assert (world.grant(ADDRESS).state, world.grant(ADDRESS).reason) == (GrantState.NEEDS_REAUTH, "grant_refused_twice")


def test_a_suspect_that_answers_again_is_active(world: World):
    world.add(ADDRESS)
    world.sandbox.add_fault("token", name="token.bad_request", times=1)
    with pytest.raises(SuspectGrantError):
        world.tokens().get_token(ADDRESS)
    world.sql("UPDATE gmail_warmup.oauth_grant SET next_probe_at = now()")
    assert world.tokens().get_token(ADDRESS).token
    assert world.events(ADDRESS)[-1] == ("suspect", "active", None)


def test_a_second_secret_is_tried_when_the_first_is_refused(world: World, oauth_client: OAuthClient):
    world.add(ADDRESS)
    world.client = OAuthClient(
        client_id=CLIENT_ID, secrets=("GOCSPX-former-secret", CLIENT_SECRET), token_uri=oauth_client.token_uri
    )
    assert world.tokens().get_token(ADDRESS).token


def test_a_foretold_end_needs_no_request(world: World):
    world.add(ADDRESS)
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() - interval '1 s'")
    with pytest.raises(FlaggedGrantError, match="Testing"):
        world.tokens().get_token(ADDRESS)
    assert world.token_requests() == 0


def test_a_row_that_cannot_be_decrypted_blames_no_account(world: World):
    first, second = world.add(ADDRESS), world.add("bob@pool.example")
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET refresh_token = (SELECT refresh_token FROM gmail_warmup.oauth_grant "
        "WHERE mailbox_id = :second) WHERE mailbox_id = :first",
        first=first,
        second=second,
    )
    with pytest.raises(UnreadableGrantError):
        world.tokens().get_token(ADDRESS)
    assert world.grant(ADDRESS).state is GrantState.ACTIVE
    assert world.token_requests() == 0


def test_google_unreachable_is_an_error_that_says_so(world: World, sandbox: SandboxClient):
    world.add(ADDRESS)
    world.client = OAuthClient(client_id=CLIENT_ID, secrets=(CLIENT_SECRET,), token_uri="http://127.0.0.1:9/token")
    with pytest.raises(TransientGrantError, match="could not be reached"):
        world.tokens().get_token(ADDRESS)
    assert not world.grant(ADDRESS).is_leased


def test_an_unknown_mailbox_is_named(world: World):
    with pytest.raises(UnknownMailboxError, match=r"nobody@pool\.example"):
        world.tokens().get_token("nobody@pool.example")

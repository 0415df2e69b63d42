"""An import runs while owners sign in, or while an audit writes: the newer grant stays, and nothing deadlocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.locks import lock_grants
from gmail_warmup.db.models import GrantState
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth import grant_updates
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenResult
from gmail_warmup.transfer import importer, parser
from support.interleaving import results, until_waiting
from support.world import CLIENT_ID, World

ADA, BEN = "ada@warm.example", "ben@warm.example"
OLD = {"token": "ya29.old", "refresh_token": "1//old", "client_id": CLIENT_ID, "scopes": ["a"]}
CONSENT = TokenResult(reason=REASONS["ok"], access_token="ya29.new", expires_in=3599, refresh_token="1//new")


def backup(*addresses: str) -> Any:
    return parser.parse_mailboxes(json.dumps([{"address": one, "kind": "warmup", "grant": OLD} for one in addresses]))


def refresh_token(world: World, address: str) -> str:
    grant = world.grant(address)
    return world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or "")


def consent(world: World, connection: Any, address: str) -> None:
    mailbox_id = repository.add_or_update(connection, address, MailboxSettings(kind="warmup"), actor="ada")
    world.store.store_consent(connection, mailbox_id, CONSENT, client_id=CLIENT_ID, elapsed=0, actor=world.actor)


@pytest.mark.parametrize("known", [True, False], ids=["known mailbox", "new mailbox"])
@pytest.mark.parametrize(
    "options",
    [{"exported_at": datetime.now(UTC) - timedelta(days=1)}, {}, {"overwrite_grants": True}],
    ids=["backup", "file of tokens", "overwrite"],
)
def test_a_consent_during_an_import_stays(world: World, options: dict[str, Any], known: bool):
    if known:
        world.add(ADA, kind="warmup")
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(world.store.engine) as connection:
            consent(world, connection, ADA)
            running = pool.submit(
                importer.import_mailboxes, world.store, backup(ADA, BEN), actor=world.actor, **options
            )
            until_waiting(world, running)
        (done,) = results([running])
    assert (done.grants, done.grants_kept) == (1, 1)
    assert refresh_token(world, ADA) == "1//new"
    assert refresh_token(world, BEN) == "1//old"


def test_without_a_consent_meanwhile_overwriting_replaces_every_grant(world: World):
    world.add(ADA, kind="warmup")
    world.reauthenticate(ADA)
    done = importer.import_mailboxes(world.store, backup(ADA), actor=world.actor, overwrite_grants=True)
    assert (done.grants, done.grants_kept) == (1, 0)
    assert refresh_token(world, ADA) == "1//old"


def refuse(world: World, connection: Any, ids: list[int]) -> None:
    """Write what an audit found, with an event for each mailbox."""
    grants = world.store.read_grants(ids)
    updates = [GrantUpdate(grant=one, state=GrantState.NEEDS_REAUTH, reason="expired_or_revoked") for one in grants]
    assert grant_updates.apply_updates(connection, updates, actor=world.actor) == set(ids)


def consent_both(world: World, connection: Any, ids: list[int]) -> None:
    for mailbox_id in ids:
        world.store.store_consent(connection, mailbox_id, CONSENT, client_id=CLIENT_ID, elapsed=0, actor=world.actor)


@pytest.mark.parametrize("write", [refuse, consent_both])
@pytest.mark.parametrize("overwrite", [True, False])
def test_an_import_and_a_writer_of_grants_do_not_deadlock(
    world: World, write: Callable[[World, Any, list[int]], None], overwrite: bool
):
    ids = [world.add(ADA, kind="warmup"), world.add(BEN, kind="warmup")]
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(world.store.engine) as connection:
            lock_grants(connection, ids)
            running = pool.submit(
                importer.import_mailboxes, world.store, backup(BEN, ADA), actor=world.actor, overwrite_grants=overwrite
            )
            until_waiting(world, running)
            write(world, connection, ids)  # also needs the keys of the mailboxes, for the events
        (done,) = results([running])
    assert done.updated == 2

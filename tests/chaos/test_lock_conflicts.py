"""Writers of the same mailboxes run at once, in several processes; no transaction is cancelled by another one."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy.exc import DBAPIError

from chaos.faults import NewFault
from chaos.forms import forms
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.engine import make_engine, write_transaction
from gmail_warmup.db.models import GrantState
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenResult
from gmail_warmup.transfer import importer, parser
from gmail_warmup.warmup.planning import next_send
from support.mail_kit import AT_ONCE
from support.rush import claim_all, rush
from support.world import CLIENT_ID, FERNET_KEY, World

ACTOR = Actor(name="chaos")
CONSENT = TokenResult(reason=REASONS["ok"], access_token="ya29.new", expires_in=3599, refresh_token="1//new")
LOCK_FAILURES = frozenset({"40P01", "40001", "55P03"})
"""SQLSTATE of a deadlock, a serialization failure and a lock that was not available."""


def restore(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    grant = {"token": "ya29.old", "refresh_token": f"1//{rng.random()}", "client_id": CLIENT_ID, "scopes": ["a"]}
    rows = [{"address": one, "kind": "pool" if "pool" in one else "warmup", "grant": grant} for one in addresses]
    importer.import_mailboxes(
        store, parser.parse_mailboxes(json.dumps(rows)), actor=ACTOR, overwrite_grants=rng.random() < 0.7
    )


def audit(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    state = rng.choice((GrantState.ACTIVE, GrantState.NEEDS_REAUTH, GrantState.SUSPECT))
    grants = [store.read_grant(address) for address in addresses]
    reason = None if state is GrantState.ACTIVE else "expired_or_revoked"
    store.apply_updates([GrantUpdate(grant=grant, state=state, reason=reason) for grant in grants], actor=ACTOR)


def refuse(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    store.record_refusal(store.read_grant(addresses[0]), REASONS["expired_or_revoked"], actor=ACTOR)


def consent(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    with write_transaction(store.engine) as connection:
        mailbox = repository.get_mailbox(connection, addresses[0])
        store.store_consent(connection, mailbox.id, CONSENT, client_id=CLIENT_ID, elapsed=0, actor=ACTOR)


def lease(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    leases = GrantLeases(store.engine, seconds=60)
    ids = [store.read_grant(address).mailbox_id for address in addresses]
    leases.take(ids)
    leases.extend(ids)
    leases.release(ids)


def change(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    with write_transaction(store.engine) as connection:
        repository.pause_mailboxes(connection, addresses[:3], actor="op", reason="holiday")
    with write_transaction(store.engine) as connection:
        repository.resume_mailboxes(connection, addresses, actor="op")
    with write_transaction(store.engine) as connection:
        change_settings(connection, addresses, MailboxChanges(open_rate=rng.randrange(100)), actor="op")
    with write_transaction(store.engine) as connection:
        next_send.clear_all_hints(connection)


def claim(store: GrantStore, addresses: list[str], rng: random.Random) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    claim_all(url, [address for address in addresses if "pool" not in address], AT_ONCE)


WRITERS: tuple[Callable[[GrantStore, list[str], random.Random], None], ...] = (
    restore, audit, refuse, consent, lease, change, claim,
)  # fmt: skip


def write(url: str, key: str, addresses: Sequence[str], rounds: int, seed: int) -> Counter[str]:
    """Write in a random order; return the number of rounds, of failures by a lock and of repeated transactions."""
    store = GrantStore(make_engine(url), Cipher(MultiFernet([Fernet(key)])))
    rng, counted = random.Random(seed), Counter[str]()
    logging.getLogger("gmail_warmup.db.engine").addFilter(lambda _: not counted.update(repeated=1))
    for _ in range(rounds):
        try:
            rng.choice(WRITERS)(store, rng.sample(list(addresses), len(addresses)), rng)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in LOCK_FAILURES:
                raise
            counted["lock_failures"] += 1
        counted["rounds"] += 1
    return counted


@pytest.mark.parametrize("rounds", forms(15, 300))
def test_no_transaction_fails_by_a_lock(
    world: World, fault: NewFault, record_property: Callable[[str, Any], None], rounds: int
):
    addresses = [f"p{number}@pool.example" for number in range(6)] + [f"w{number}@warm.example" for number in range(6)]
    for address in addresses:
        world.add(address, kind="pool" if "pool" in address else "warmup")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = now()")
    url = world.store.engine.url.render_as_string(hide_password=False)
    counted = rush(write, [(url, FERNET_KEY, addresses, rounds, seed) for seed in range(4)])
    record_property("lock_failures", counted["lock_failures"])
    account = fault("writers of the same mailboxes at once")
    account.struck(counted["rounds"])
    account.check(counted["lock_failures"] == 0, f"{counted['lock_failures']} transactions failed by a lock")
    account.check(counted["repeated"] == 0, f"{counted['repeated']} transactions were cancelled and repeated")
    account.hold()
    with world.store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM gmail_warmup.mailbox")) == len(addresses)

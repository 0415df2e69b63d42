"""Processes killed at every step of a removal and of a renaming: a second run finishes what the first one began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bench.fleet import Worker, one_worker
from bench.ground import Ground
from chaos import moments
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.jobs import remove, rename
from chaos.kills import kill_at
from chaos.runs import SETTINGS, Scene, names, run
from gmail_warmup.db.models import Mailbox, RemovalStep
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.removals import Removal
from gmail_warmup.oauth.consent import invites
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from support.leftovers import find_columns_with
from support.mail_kit import copy_of
from support.removal_kit import NAME, OWNER, SIGNATURE, go_on, request

Record = Callable[[str, object], None]
DEPARTING = "departing"
RECEIVED = (
    "SELECT l.id, l.placement, l.read_at, l.claimed_at FROM gmail_warmup.ledger l"
    " JOIN gmail_warmup.mailbox m ON m.id = l.recipient_id AND m.kind = 'pool' ORDER BY l.id"
)
SUMS = "SELECT sum(claimed), sum(sent), sum(inbox), sum(replied) FROM gmail_warmup.domain_day"


@pytest.fixture(scope="module")
def worker(ground: Ground) -> Iterator[Worker]:
    with one_worker(ground, simulated=True) as started:
        yield started


@pytest.fixture(autouse=True)
def triggers(ground: Ground) -> Iterator[None]:
    world = ground.world(simulated=True)
    moments.install(world)
    yield
    moments.remove(world)


def exchange_mail(scene: Scene, senders: Sequence[str]) -> None:
    """Let the senders exchange mail with the pool, and store what a removal has to delete."""
    scene.recover()
    scene.world.sql(
        "UPDATE gmail_warmup.mailbox SET display_name = :name, signature = :signature, owner_email = :owner"
        " WHERE kind = 'warmup'",
        name=NAME, signature=SIGNATURE, owner=OWNER,
    )  # fmt: skip
    with scene.world.store.engine.begin() as connection:
        invites.create_invites(connection, senders, actor="op", days=7)


def finish(scene: Scene) -> list[Removal]:
    """Request what no killed process requested, and continue all removals, as the monitor does."""
    world = scene.world
    scene.ground.pass_time(timedelta(seconds=SETTINGS.mailbox_lease + 1))
    with world.store.engine.begin() as connection:
        left = connection.scalars(sa.select(Mailbox.address).where(Mailbox.address.startswith(DEPARTING))).all()
    request(world, *left, revoke_grant=True, trash_mail=True)
    with world.store.engine.begin() as connection:
        begun = removals.list_removals(connection)
        due = removals.find_due(connection)
    unrevoked = [state for state in begun if state.step in (RemovalStep.TRASH, RemovalStep.REVOKE)]
    world.sandbox.add_fault("revoke", delay_ms=1)
    finished = [go_on(world, removal_id) for removal_id in due]
    (revoke,) = world.sandbox.faults()
    world.sandbox.clear_faults()
    scene.fault.check(revoke.hits == len(unrevoked), f"{revoke.hits} requests for {len(unrevoked)} grants")
    for state in finished:
        scene.fault.check(state.is_done, f"removal {state.id} waits: {state.problem}")
    with world.store.engine.begin() as connection:
        return removals.list_removals(connection)


def check_google(scene: Scene, tokens: dict[str, str]) -> None:
    """Find the grants revoked, the mail of the removed mailboxes in the trash, and that of the others where it was."""
    endpoint = TokenEndpoint(scene.world.client)
    for address, token in tokens.items():
        code = endpoint.refresh_access_token(token).reason.code
        expected = "expired_or_revoked" if address.startswith(DEPARTING) else "ok"
        scene.fault.check(code == expected, f"the grant of {address} is {code}")
    for mail in scene.world.sandbox.mails():
        is_own, copy = mail.to[0].startswith(DEPARTING), copy_of(mail)
        scene.fault.check(("TRASH" in copy.labels) == is_own, f"{copy.mailbox}: labels {copy.labels}")


@pytest.mark.parametrize("rounds", forms(0, 2))
def test_killed_at_every_step_of_a_removal(
    ground: Ground, worker: Worker, fault: NewFault, record_property: Record, rounds: int
):
    steps = moments.OF_REMOVAL * rounds or moments.OF_REMOVAL[::3]
    senders = names(DEPARTING, len(steps) + 1)
    scene = Scene.set(ground, fault("task killed: removal"), senders)
    exchange_mail(scene, senders)
    world, tokens, received = scene.world, scene.invariants.stored(), scene.world.rows(RECEIVED)
    sums = world.rows(SUMS)
    remove(world, address=senders[-1])  # without a fault, to compare with
    for address, moment in zip(senders, steps, strict=False):
        kill_at(worker, world, moment, remove, address=address)
        scene.fault.struck()
    undisturbed, *others = sorted(finish(scene), key=lambda state: state.id)
    scene.fault.check(len(others) == len(steps), f"{len(others)} of {len(steps)} removals left a receipt")
    for state in others:
        outcomes = (state.trash_outcome, state.revoke_outcome, state.trashed)
        scene.fault.check(
            outcomes == ("done", "done", undisturbed.trashed), f"removal {state.id} ended with {outcomes}"
        )
        scene.fault.check(state.receipt == undisturbed.receipt, f"removal {state.id} has the receipt {state.receipt}")
    left = find_columns_with(world.store.engine, DEPARTING, NAME, SIGNATURE, OWNER)
    scene.fault.found(left)
    record_property("removed_leftovers", len(left))
    check_google(scene, tokens)
    scene.fault.check(bool(received) and world.rows(RECEIVED) == received, "mails of other mailboxes have changed")
    scene.fault.check(world.rows(SUMS) == sums, "the sums of the domains have changed")
    scene.invariants.no_newer_grant_overwritten()
    scene.invariants.nobody_flagged_for_nothing()
    scene.invariants.no_lease_left()
    scene.invariants.no_transaction_left()
    last = run(world)
    scene.invariants.next_run_clean(last.errors, last.done)
    scene.fault.hold()


@pytest.mark.parametrize("rounds", forms(1, 4))
def test_killed_at_the_step_of_a_renaming(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    steps = moments.OF_RENAMING * rounds
    senders, renamed = names("old", len(steps)), names("new", len(steps))
    scene = Scene.set(ground, fault("task killed: renaming"), senders)
    tokens = scene.invariants.stored()
    for address, new_address, moment in zip(senders, renamed, steps, strict=True):
        kill_at(worker, scene.world, moment, rename, address=address, new_address=new_address)
        scene.fault.struck()
        has_new = bool(find_columns_with(scene.world.store.engine, new_address))
        scene.fault.check(has_new == moment.committed, f"{new_address} is stored after {moment}")
        if not moment.committed:
            rename(scene.world, address=address, new_address=new_address)
    stored = scene.invariants.stored()
    for address, new_address in zip(senders, renamed, strict=True):
        scene.fault.check(stored.get(new_address) == tokens[address], f"{new_address} lost the grant of {address}")
    scene.invariants.no_lease_left()
    scene.invariants.no_transaction_left()
    scene.fault.hold()

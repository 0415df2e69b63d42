"""Processes killed at every step of a refresh, a rescue, a consent's callback and a rotation of the key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from bench.fleet import Worker, one_worker
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.jobs import REDIRECT_URI, callback, consent, one_task, refresh, renew, with_keys
from chaos.kills import kill_at
from chaos.moments import OF_CONSENT, OF_REFRESH, OF_RESCUE, OF_ROTATION, install, remove
from chaos.runs import SETTINGS, Scene, names, run
from gmail_warmup.core.enums import Action
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.crypto.key_rotation import inspect_key_usage
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.world import CLIENT_ID, CLIENT_SECRET


@pytest.fixture(scope="module")
def worker(ground: Ground) -> Iterator[Worker]:
    with one_worker(ground, simulated=True) as started:
        yield started


@pytest.fixture(autouse=True)
def triggers(ground: Ground) -> Iterator[None]:
    world = ground.world(simulated=True)
    install(world)
    yield
    remove(world)


@pytest.mark.parametrize("rounds", forms(0, 4))
def test_killed_at_every_step_of_a_refresh(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    moments = OF_REFRESH * rounds or OF_REFRESH[::3]
    senders = names("refreshed", len(moments))
    scene = Scene.set(ground, fault("task killed: refresh"), senders)
    scene.expire()
    for address, moment in zip(senders, moments, strict=True):
        kill_at(worker, scene.world, moment, refresh, address=address)
        scene.fault.struck()
    scene.recover()
    scene.fault.hold()


@pytest.mark.parametrize("rounds", forms(0, 2))
def test_killed_at_every_step_of_a_rescue(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    moments = OF_RESCUE * rounds or OF_RESCUE[::3]
    scene = Scene.set(ground, fault("task killed: rescue"), names("rescued", len(moments)), pool=len(moments))
    scene.world.sandbox.set(spam_chance=1.0)
    run(scene.world, actions=[Action.SEND])
    with scene.world.store.engine.begin() as connection:
        recipients = find_due_mailboxes(connection, Action.RESCUE, SETTINGS)
    for address, moment in zip(recipients, moments, strict=False):
        kill_at(worker, scene.world, moment, one_task, action=Action.RESCUE, address=address, settings=SETTINGS)
        scene.fault.struck()
    scene.recover()
    scene.fault.check(scene.world.sandbox.stats().totals.delivered_spam > 0, "nothing came into spam")
    scene.fault.hold()


@pytest.mark.parametrize("rounds", forms(0, 2))
def test_killed_at_every_step_of_a_consent(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    moments = OF_CONSENT * rounds or OF_CONSENT[::3]
    people = names("consented", len(moments))
    scene = Scene.set(ground, fault("task killed: consent write"), people)
    scene.world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[REDIRECT_URI])
    before, half = scene.invariants.stored(), {}
    for address, moment in zip(people, moments, strict=True):
        kill_at(worker, scene.world, moment, callback, **consent(scene.world, address=address))
        scene.fault.struck()
        half[address] = scene.invariants.stored()[address]
    scene.expire()
    # What the dead left is a whole grant, the old one or the new one, and it works.
    for address in people:
        scene.fault.check(refresh(scene.world, address=address) == "", f"{address}: the grant that was left fails")
    # The person signs in once more, and that is what stands.
    for address in people:
        callback(scene.world, **consent(scene.world, address=address))
    scene.invariants.tokens |= (after := scene.invariants.stored())
    for address in people:
        newer = after[address] not in (before[address], half[address])
        scene.fault.check(newer, f"{address}: signing in once more changed nothing")
    scene.recover()
    scene.fault.hold()


@pytest.mark.parametrize("rounds", forms(1, 10))
def test_killed_at_every_step_of_a_rotation(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    scene = Scene.set(ground, fault("task killed: rotate"), names("kept", 3))
    keys = [ground.folder.secrets.fernet_key]
    for _ in range(rounds):
        keys.insert(0, Fernet.generate_key().decode())
        scene.world = scene.invariants.world = with_keys(scene.world, keys)
        for moment in OF_ROTATION:
            kill_at(worker, scene.world, moment, renew, keys=keys)
            scene.fault.struck()
        done = renew(scene.world, keys=keys)
        found = inspect_key_usage(scene.world.store.engine, FernetKeys(keys))
        scene.fault.check(not done.unreadable and not done.unsettled, f"left as they were: {done}")
        scene.fault.check(found.former == 0 and not found.unreadable, f"not under the newest key: {found}")
    scene.world = scene.invariants.world = with_keys(scene.world, keys[:1])
    scene.recover()
    scene.fault.hold()

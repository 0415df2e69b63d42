"""Several at once that should be one: schedulers that plan the same mails; and a key that is replaced under a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from bench.fleet import Worker, fleet
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.jobs import renew, run_under, with_keys
from chaos.runs import SETTINGS, Scene, names, run
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.crypto.key_rotation import inspect_key_usage


@pytest.fixture(scope="module")
def workers(ground: Ground) -> Iterator[list[Worker]]:
    with fleet(ground, 3, simulated=True) as started:
        yield started


@pytest.mark.parametrize("rounds", forms(2, 5))
def test_several_schedulers_plan_the_same_mails(ground: Ground, workers: list[Worker], fault: NewFault, rounds: int):
    scene = Scene.set(ground, fault("several schedulers"), [])
    for number in range(rounds):
        scene.add(names(f"twice-{number}-", 4))
        for worker in workers:
            worker.order(run, settings=SETTINGS)
        for worker in workers:
            worker.result()
        scene.fault.struck(len(workers) - 1)
    scene.recover()
    scene.fault.hold()


@pytest.mark.parametrize("rounds", forms(1, 3))
def test_the_key_is_replaced_in_the_middle_of_a_run(
    ground: Ground, workers: list[Worker], fault: NewFault, rounds: int
):
    scene = Scene.set(ground, fault("Fernet key rotated under a run"), [])
    keys = [ground.folder.secrets.fernet_key]
    for number in range(rounds):
        scene.world = scene.invariants.world = with_keys(scene.world, keys)
        scene.add(names(f"rekeyed-{number}-", 6))
        newer = Fernet.generate_key().decode()
        scene.expire()
        # First every process learns the new key, then every process prefers it; some are always behind.
        workers[0].order(run_under, keys=[*keys, newer])
        workers[1].order(run_under, keys=[newer, *keys])
        keys.insert(0, newer)
        while not all(worker.done(timeout=0.01) for worker in workers[:2]):
            done = renew(scene.world, keys=keys)
            scene.fault.check(not done.unreadable, f"unreadable: {done.unreadable}")
            scene.fault.struck()
        for worker in workers[:2]:
            worker.result()
    renew(scene.world, keys=keys)
    found = inspect_key_usage(scene.world.store.engine, FernetKeys(keys))
    scene.fault.check(found.former == 0 and not found.unreadable, f"not under the newest key: {found}")
    scene.world = scene.invariants.world = with_keys(scene.world, keys[:1])
    scene.recover()
    scene.fault.hold()

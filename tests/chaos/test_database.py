"""PostgreSQL that goes away: stopped and started in the middle of a run, sessions ended, connections cut."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.fleet import Worker, one_worker
from bench.ground import Ground
from chaos.cutting import Cut, CuttingProxy, cutting_proxy
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.jobs import one_task, refresh
from chaos.kills import cut_at, until
from chaos.moments import MOMENTS, OF_REFRESH, OF_RESCUE, InDatabase, install, remove
from chaos.runs import SETTINGS, Scene, names, run, task
from gmail_embedded.processes import Child
from gmail_embedded.supervisor import find_descendants
from gmail_warmup.core.enums import Action
from gmail_warmup.oauth.grant_store import GrantStore
from support.world import World

SOCKET = ".s.PGSQL.5432"


@pytest.fixture(scope="module")
def worker(ground: Ground) -> Iterator[Worker]:
    with one_worker(ground, simulated=True) as started:
        yield started


# sessions that the server ends


def in_database(moments: tuple[object, ...]) -> list[InDatabase]:
    return [moment for moment in moments if isinstance(moment, InDatabase)]


@pytest.fixture
def triggers(ground: Ground) -> Iterator[None]:
    world = ground.world(simulated=True)
    install(world)
    yield
    remove(world)


@pytest.mark.parametrize("rounds", forms(1, 2))
@pytest.mark.usefixtures("triggers")
def test_sessions_ended_at_every_change(ground: Ground, worker: Worker, fault: NewFault, rounds: int):
    cuts = {
        Action.SEND: in_database(MOMENTS) * rounds,
        Action.RESCUE: in_database(OF_RESCUE) * rounds,
        Action.REPLY: in_database(MOMENTS) * rounds,
    }
    count = max(map(len, cuts.values()))
    scene = Scene.set(ground, fault("database session ended"), names("ended", count), pool=count)
    scene.world.sandbox.set(spam_chance=1.0)
    for action in Action:
        for address, moment in zip(scene.due(action), cuts.get(action, []), strict=False):
            cut_at(worker, scene.world, moment, one_task, action=action, address=address, settings=SETTINGS)
            scene.fault.struck()
        scene.catch_up(action)
    scene.expire()
    for address, moment in zip(names("ended", count), in_database(OF_REFRESH) * rounds, strict=False):
        cut_at(worker, scene.world, moment, refresh, address=address)
        scene.fault.struck()
    scene.recover()
    scene.fault.hold()


# connections that the network cuts


@pytest.fixture
def proxy(ground: Ground) -> Iterator[CuttingProxy]:
    folder = ground.world(simulated=True).store.engine.url.query["host"]
    with cutting_proxy(Path(str(folder)) / SOCKET) as running:
        yield running


def through(world: World, proxy: CuttingProxy) -> World:
    store = GrantStore(proxy.engine(world.store.engine), world.store.cipher)
    return dataclasses.replace(world, store=store)


@pytest.mark.parametrize("step", forms(12, 2))
def test_connections_cut_at_every_round_trip(ground: Ground, proxy: CuttingProxy, fault: NewFault, step: int):
    count = 2 * 40 // step
    scene = Scene.set(ground, fault("database connection cut"), names("cut", count), pool=count)
    scene.world.sandbox.set(spam_chance=0.5)
    cut_world = through(scene.world, proxy)
    cut_world.settings = SETTINGS
    for action in Action:
        # Not itertools.product, which would first use up the endless count.
        places = ((at, when) for at in itertools.count(0, step) for when in ("before", "after"))
        for address, (at, when) in zip(scene.due(action), places, strict=False):
            proxy.cut = Cut(at=at, when=when)
            task(cut_world, action, address)
            scene.fault.struck(int(proxy.cut.struck))
            if not proxy.cut.struck:
                break  # the task has no more round trips than that
        scene.catch_up(action)
    scene.recover()
    scene.fault.hold()


# a server that stops


def stop_gently(ground: Ground, server: Child) -> None:
    ground.family.stop(server)


def crash(ground: Ground, server: Child) -> None:
    os.kill(find_descendants(server.supervisor.pid)[0], signal.SIGQUIT)  # what it knows is in its log alone
    until(lambda: server.exit_code() is not None, "the server did not stop")
    ground.family.stop(server)


WAYS: dict[str, Callable[[Ground, Child], None]] = {"stopped": stop_gently, "crashed": crash}


@pytest.mark.parametrize("rounds", forms(1, 2))
@pytest.mark.parametrize("way", WAYS)
def test_the_server_goes_away_in_the_middle_of_a_run(
    ground: Ground, worker: Worker, fault: NewFault, way: str, rounds: int
):
    scene = Scene.set(ground, fault("PostgreSQL stopped and started"), [])
    for number in range(rounds):
        scene.add(names(f"stopped-{number}-", 5))
        began = scene.world.sandbox.stats().totals.sent
        worker.order(run, settings=SETTINGS)
        until(lambda began=began: scene.world.sandbox.stats().totals.sent > began + 1, "nothing is sent")
        WAYS[way](ground, server := ground.family.get_child("postgres"))
        scene.fault.struck()
        until(lambda: worker.done(timeout=0.01), "the run hangs without its database", seconds=120)
        start(ground, server)
        worker.result()
        scene.catch_up()
    scene.recover()
    scene.fault.hold()


def start(ground: Ground, server: Child) -> None:
    """Start the server again and wait until it answers."""
    started = ground.family.start(server.command)

    def answers() -> bool:
        try:
            return ground.world(simulated=True).rows("SELECT 1") == [(1,)]
        except Exception:
            return False

    ground.family.wait_for(started, answers, 60, "it does not answer")

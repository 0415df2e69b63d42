"""Fixtures of the warmup tests."""

from __future__ import annotations

import pytest

from support.mail_kit import ADA, AT_ONCE, POOL
from support.world import World


@pytest.fixture
def warm(world: World) -> World:
    """Return a world with one warmup and two pool mailboxes, in which everything is due immediately."""
    world.settings = AT_ONCE
    world.add(ADA, kind="warmup", expired=False, open_rate=100, reply_rate=50)
    for address in POOL:
        world.add(address, kind="pool", expired=False)
    return world

"""Root router of the control API: health, reset, settings and clock, and the routers of the other topics."""

from __future__ import annotations

from fastapi import APIRouter

from gmail_sandbox.control import directory, faults, grants, mailboxes, reports, service_accounts
from gmail_sandbox.control.common import WorldNow
from gmail_sandbox.control.models import ClockIn, ClockOut, Health
from gmail_sandbox.control.views import moment
from gmail_sandbox.delivery import deliver_due
from gmail_sandbox.settings import Settings
from gmail_sandbox.state import World

PREFIX = "/sandbox/v1"
router = APIRouter(prefix=PREFIX)


@router.get("/health")
async def health(world: WorldNow) -> Health:
    """Return the sandbox's time and counts."""
    return Health(now=moment(world.clock.now()), mailboxes=len(world.mailboxes), clients=len(world.clients))


@router.post("/reset")
async def reset(world: WorldNow) -> Health:
    """Clear all state and restore the initial settings."""
    world.reset()
    return await health(world)


@router.get("/settings")
async def get_settings(world: WorldNow) -> Settings:
    """Return the current settings."""
    return world.settings


@router.put("/settings")
async def put_settings(world: WorldNow, change: Settings) -> Settings:
    """Change the settings in the body; the others are kept."""
    world.settings = world.settings.changed(change)
    return world.settings


def _clock(world: World) -> ClockOut:
    return ClockOut(now=moment(world.clock.now()), offset_seconds=world.clock.offset)


@router.get("/clock")
async def get_clock(world: WorldNow) -> ClockOut:
    """Return the sandbox's time."""
    return _clock(world)


@router.post("/clock")
async def move_clock(world: WorldNow, move: ClockIn) -> ClockOut:
    """Move the clock and deliver mail that became due."""
    if move.now is not None:
        world.clock.set(move.now)
    else:
        world.clock.advance(move.advance_seconds or 0)
    deliver_due(world)
    return _clock(world)


for _part in (
    mailboxes.router,
    grants.router,
    service_accounts.router,
    directory.router,
    faults.router,
    reports.router,
):
    router.include_router(_part)

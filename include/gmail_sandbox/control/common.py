"""Dependencies and helpers that the control routes share."""

from __future__ import annotations

from typing import Annotated, NoReturn

from fastapi import Depends, HTTPException, Query, Request

from gmail_sandbox.addresses import AddressRefused, mailbox_address
from gmail_sandbox.delivery import deliver_due
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.state import World


async def _world(request: Request) -> World:
    world: World = request.app.state.world
    deliver_due(world)
    return world


async def _address(address: str) -> str:
    try:
        return mailbox_address(address)
    except AddressRefused as error:
        raise HTTPException(422, str(error)) from None


WorldNow = Annotated[World, Depends(_world)]
PathAddress = Annotated[str, Depends(_address)]
After = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def missing(what: str) -> NoReturn:
    """Raise a 404."""
    raise HTTPException(404, f"no such {what}")


def known_mailbox(world: World, address: str) -> Mailbox:
    """Return a mailbox; raise a 404 if it does not exist."""
    return world.mailboxes.get(address) or missing(f"mailbox: {address}")

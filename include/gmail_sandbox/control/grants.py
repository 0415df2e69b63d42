"""Control routes of OAuth clients, and of grants created without the consent page."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from gmail_sandbox.addresses import domain_of
from gmail_sandbox.control.common import WorldNow, missing
from gmail_sandbox.control.models import (
    Accounts,
    ClientIn,
    ClientOut,
    ClientState,
    Count,
    GrantIn,
    GrantOut,
    GrantsIn,
    GrantsOut,
    Revocation,
)
from gmail_sandbox.control.views import client_out, moment
from gmail_sandbox.oauth.grants import TESTING_SECONDS, Grant
from gmail_sandbox.records import Client
from gmail_sandbox.state import World

router = APIRouter()


@router.get("/clients")
async def list_clients(world: WorldNow) -> list[ClientOut]:
    """Return all clients, without their secrets."""
    return [client_out(client) for client in world.clients.values()]


@router.post("/clients")
async def put_client(world: WorldNow, client: ClientIn) -> ClientOut:
    """Create or replace a client; its grants are kept."""
    world.clients[client.client_id] = Client(**client.model_dump())
    return client_out(world.clients[client.client_id])


@router.post("/clients/{client_id}/state")
async def set_client_state(world: WorldNow, client_id: str, state: ClientState) -> ClientOut:
    """Make the token endpoint refuse a client, or accept it again."""
    client = world.clients.get(client_id) or missing(f"client: {client_id}")
    client.refuse_with = state.refuse_with
    return client_out(client)


@router.delete("/clients/{client_id}")
async def delete_client(world: WorldNow, client_id: str) -> ClientOut:
    """Delete a client: it is refused with deleted_client until it is restored."""
    return await set_client_state(world, client_id, ClientState(refuse_with="deleted_client"))


def _make(world: World, wanted: GrantIn) -> GrantOut:
    if wanted.address not in world.mailboxes:
        raise HTTPException(404, f"no such mailbox: {wanted.address}")
    if wanted.client_id not in world.clients:
        raise HTTPException(404, f"no such client: {wanted.client_id}")
    now = world.clock.now()
    expires_at = None
    if wanted.expires_in_days is not None:
        expires_at = now + wanted.expires_in_days * 86400
    elif wanted.testing:
        expires_at = now + TESTING_SECONDS
    refresh = world.grants.issue_refresh(wanted.address, wanted.client_id, wanted.scopes, now, expires_at)
    lifetime = -1 if wanted.access_expired else world.settings.access_token_lifetime_seconds
    text, access = world.grants.issue_access(wanted.address, wanted.client_id, refresh.scopes, now, lifetime)
    return GrantOut(
        address=wanted.address,
        client_id=wanted.client_id,
        refresh_token=refresh.token,
        access_token=text,
        expires_at=moment(access.expires_at),
        refresh_token_expires_at=None if expires_at is None else moment(expires_at),
        scope=" ".join(sorted(refresh.scopes)),
    )


@router.post("/grants")
async def make_grant(world: WorldNow, wanted: GrantIn) -> GrantOut:
    """Create a grant without the consent page."""
    return _make(world, wanted)


@router.post("/grants/bulk")
async def make_grants(world: WorldNow, wanted: GrantsIn) -> GrantsOut:
    """Create many grants without the consent page."""
    return GrantsOut(grants=[_make(world, row) for row in wanted.grants])


def _of(world: World, accounts: Accounts) -> list[Grant]:
    if accounts.addresses is not None:
        addresses = [address for address in accounts.addresses if world.grants.of(address, accounts.client_id)]
        if len(addresses) < len(accounts.addresses):
            missing_addresses = sorted(set(accounts.addresses) - set(addresses))
            raise HTTPException(404, f"no grant of: {', '.join(missing_addresses)}")
    else:
        addresses = [address for address in world.grants.by_owner if domain_of(address) == accounts.domain]
    return [grant for address in addresses for grant in world.grants.of(address, accounts.client_id)]


@router.post("/grants/revoke")
async def revoke_grants(world: WorldNow, revocation: Revocation) -> Count:
    """Revoke grants; the cause determines the error of their next refresh."""
    grants = _of(world, revocation)
    for grant in grants:
        world.grants.revoke(grant, revocation.cause, keep_access_tokens=revocation.keep_access_tokens)
    return Count(count=len(grants))


@router.post("/grants/restore")
async def restore_grants(world: WorldNow, accounts: Accounts) -> Count:
    """Restore revoked grants, as when an administrator lifts a policy."""
    grants = _of(world, accounts)
    for grant in grants:
        world.grants.restore(grant)
    return Count(count=len(grants))

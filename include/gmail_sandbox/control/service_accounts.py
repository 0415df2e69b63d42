"""Control routes of service accounts and their domain-wide delegation."""

from __future__ import annotations

import secrets
from typing import Annotated

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import APIRouter, Depends, Request

from gmail_sandbox.addresses import domain_of
from gmail_sandbox.control.common import WorldNow, missing
from gmail_sandbox.control.models import Count
from gmail_sandbox.control.service_account_models import (
    DelegationIn,
    ServiceAccountIn,
    ServiceAccountMade,
    ServiceAccountOut,
    ServiceAccountState,
)
from gmail_sandbox.control.views import service_account_out
from gmail_sandbox.records import ServiceAccount

router = APIRouter(prefix="/service-accounts")


async def _account(world: WorldNow, email: str) -> ServiceAccount:
    return world.service_accounts.get(email.lower()) or missing(f"service account: {email}")


KnownAccount = Annotated[ServiceAccount, Depends(_account)]


def _pair() -> tuple[str, str]:
    """Generate a private and public key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _keyfile(wanted: ServiceAccountIn, private_key: str, token_uri: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": secrets.token_hex(20),
        "private_key": private_key,
        "client_email": wanted.email,
        "client_id": wanted.client_id,
        "token_uri": token_uri,
    }


@router.get("")
async def list_service_accounts(world: WorldNow) -> list[ServiceAccountOut]:
    """Return all service accounts."""
    return [service_account_out(account) for account in world.service_accounts.values()]


@router.post("")
async def put_service_account(world: WorldNow, request: Request, wanted: ServiceAccountIn) -> ServiceAccountMade:
    """Create or replace a service account; its former key is no longer accepted."""
    keyfile, public_key = None, wanted.public_key
    if public_key is None:
        private_key, public_key = _pair()
        keyfile = _keyfile(wanted, private_key, f"{request.base_url}token")
    existing = world.service_accounts.get(wanted.email)
    account = ServiceAccount(wanted.email, wanted.client_id, public_key, existing.delegated if existing else {})
    world.service_accounts[wanted.email] = account
    return ServiceAccountMade(**service_account_out(account).model_dump(), keyfile=keyfile)


@router.post("/{email}/state")
async def set_state(account: KnownAccount, state: ServiceAccountState) -> ServiceAccountOut:
    """Disable or enable a service account; Google responds to a disabled one as if it did not exist."""
    account.disabled, account.machine_may_sign = state.disabled, state.machine_may_sign
    return service_account_out(account)


@router.put("/{email}/delegations/{domain}")
async def delegate(account: KnownAccount, domain: str, wanted: DelegationIn) -> ServiceAccountOut:
    """Delegate a domain's mailboxes; replaces the domain's earlier delegation."""
    account.delegated[domain.lower()] = frozenset(wanted.scopes)
    return service_account_out(account)


@router.delete("/{email}/delegations/{domain}")
async def revoke_delegation(world: WorldNow, account: KnownAccount, domain: str) -> Count:
    """Revoke a domain's delegation and the access tokens issued through it."""
    if account.delegated.pop(domain.lower(), None) is None:
        missing(f"delegation: {domain}")
    addresses = [address for address in world.grants.by_owner if domain_of(address) == domain.lower()]
    grants = [grant for address in addresses for grant in world.grants.of(address, account.client_id)]
    for grant in grants:
        grant.epoch += 1
    return Count(count=len(grants))

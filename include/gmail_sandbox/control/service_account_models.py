"""Request and response models of service accounts in the control API."""

from __future__ import annotations

from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, Field

from gmail_sandbox.control.models import GMAIL_MODIFY, Lower, Model


def _rsa(value: str) -> str:
    try:
        key = load_pem_public_key(value.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("must be a public key in PEM") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("must be an RSA key")
    return value


PublicKey = Annotated[str, AfterValidator(_rsa)]


class ServiceAccountIn(Model):
    """A service account to create or replace; its delegations are kept."""

    email: Lower = Field(min_length=3)
    client_id: str = Field(
        default="100000000000000000001",
        pattern=r"^\d+$",
        description="The client id to which an administrator delegates.",
    )
    public_key: PublicKey | None = Field(default=None, description="PEM; null: generate a key and return its file.")


class ServiceAccountState(Model):
    """Whether the service account is disabled, and whether the machine may sign for it without a key."""

    disabled: bool = False
    machine_may_sign: bool = False


class DelegationIn(Model):
    """The scopes that an administrator delegates for all mailboxes of a domain."""

    scopes: list[str] = Field(default_factory=lambda: [GMAIL_MODIFY], min_length=1)


class ServiceAccountOut(Model):
    """A service account; the sandbox does not store its private key."""

    email: str
    client_id: str
    public_key: str
    delegated: dict[str, list[str]] = Field(description="Scopes by domain.")
    disabled: bool
    machine_may_sign: bool


class ServiceAccountMade(ServiceAccountOut):
    """A created service account; a generated key file is returned only once."""

    keyfile: dict[str, str] | None = Field(description="In Google's format, with the sandbox's token endpoint.")

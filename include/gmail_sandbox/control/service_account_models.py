"""Service accounts, as the control surface takes and shows them."""

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
    """A service account to create or replace; what was delegated to it stays."""

    email: Lower = Field(min_length=3)
    client_id: str = Field(default="100000000000000000001", pattern=r"^\d+$", description="What an admin delegates to.")
    public_key: PublicKey | None = Field(default=None, description="PEM; null: a key is made and its file answered.")


class ServiceAccountState(Model):
    """Whether Google knows the service account."""

    disabled: bool


class DelegationIn(Model):
    """What an administrator lets a service account do in every mailbox of the domain."""

    scopes: list[str] = Field(default_factory=lambda: [GMAIL_MODIFY], min_length=1)


class ServiceAccountOut(Model):
    """A service account, without its private key, which the sandbox does not keep."""

    email: str
    client_id: str
    public_key: str
    delegated: dict[str, list[str]] = Field(description="Scopes by domain.")
    disabled: bool


class ServiceAccountMade(ServiceAccountOut):
    """A service account, with its key file where the sandbox made the key; it is shown this once."""

    keyfile: dict[str, str] | None = Field(description="As Google's console hands it out, but for this token endpoint.")

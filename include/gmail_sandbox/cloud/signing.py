"""Signing for a service account without its key: the Security Token Service and signJwt of the IAM Credentials API.

A machine exchanges its own token (workload identity federation) for an access token of Google, and with that lets
Google sign a JWT with the key that Google manages for the service account. Source: Google Cloud, "Workload identity
federation" and the reference of ``projects.serviceAccounts.signJwt``.
"""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qsl

from google.auth import crypt, jwt
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gmail_sandbox.cloud.errors import ACCOUNT_DISABLED, INVALID_PAYLOAD, NO_SUCH_ACCOUNT, NOT_ALLOWED, UNAUTHENTICATED
from gmail_sandbox.cloud.managed_key import managed_key_pair
from gmail_sandbox.dispatch import Caller, respond
from gmail_sandbox.http_faults import header, read_body
from gmail_sandbox.oauth import errors
from gmail_sandbox.responses import Answer, Json
from gmail_sandbox.state import World

STS_PATH = "/v1/token"
MACHINE_TOKEN = "ya29.machine"  # noqa: S105  not a secret
"""The access token of the machine, which the Security Token Service issues."""


class StsEndpoint:
    """`POST /v1/token`: exchange the token of a machine for an access token."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        fields = dict(parse_qsl((await read_body(receive)).decode("utf-8", "replace")))
        await respond(self._world, Caller("sts", "sts"), lambda: _exchange(fields), 0, (scope, receive, send))


def _exchange(fields: dict[str, str]) -> Answer:
    if not fields.get("subject_token"):
        return errors.oauth_error(400, "invalid_grant", "The subject token is missing or expired.")
    kind = "urn:ietf:params:oauth:token-type:access_token"
    body = {"access_token": MACHINE_TOKEN, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3599}
    return Answer.of_json(200, body)


class SignJwt:
    """`POST /v1/projects/-/serviceAccounts/{email}:signJwt`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        body, email = await read_body(receive), scope["path_params"]["email"].lower()
        await respond(
            self._world,
            Caller("iam", "iam.signJwt", _subject(body)),
            lambda: self._work(header(scope, b"authorization"), email, body),
            0,
            (scope, receive, send),
        )

    def _work(self, authorization: str, email: str, body: bytes) -> Answer:
        account = self._world.service_accounts.get(email)
        if authorization != f"Bearer {MACHINE_TOKEN}":
            return UNAUTHENTICATED
        if account is None:
            return NO_SUCH_ACCOUNT
        if not account.machine_may_sign:
            return NOT_ALLOWED
        if account.disabled:
            return ACCOUNT_DISABLED
        claims = _claims(body)
        if claims is None:
            return INVALID_PAYLOAD
        signer = crypt.RSASigner.from_string(managed_key_pair()[0], "managed")
        return Answer.of_json(200, {"keyId": "managed", "signedJwt": jwt.encode(signer, claims).decode()})


def _claims(body: bytes) -> dict[str, Json] | None:
    try:
        claims = json.loads(json.loads(body)["payload"])
    except (ValueError, KeyError, TypeError):
        return None
    # Google: the expiry must be within twelve hours.
    is_valid = isinstance(claims, dict) and claims.get("exp", 0) <= time.time() + 43_200
    return claims if is_valid else None


def _subject(body: bytes) -> str | None:
    subject = (_claims(body) or {}).get("sub")
    return subject.lower() if isinstance(subject, str) else None


def routes(world: World) -> list[BaseRoute]:
    """Return the route of the IAM Credentials API."""
    return [Route("/v1/projects/-/serviceAccounts/{email}:signJwt", SignJwt(world), methods=["POST"])]

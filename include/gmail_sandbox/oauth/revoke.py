"""The revocation endpoint."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from gmail_sandbox.dispatch import Caller, respond
from gmail_sandbox.http_faults import read_body
from gmail_sandbox.oauth import errors
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World


class RevokeEndpoint:
    """`POST /revoke`: revoke the whole grant of a refresh or access token."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        fields = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        fields |= dict(parse_qsl((await read_body(receive)).decode("utf-8", "replace")))
        token = fields.get("token", "")
        grants = self._world.grants
        known = grants.refresh_tokens.get(token) or grants.access_tokens.get(token)
        caller = Caller("revoke", "revoke", known.address if known else None, known.client_id if known else None)
        await respond(
            self._world,
            caller,
            lambda: self._work(token, scope["method"]),
            self._world.settings.latency_ms.token,
            (scope, receive, send),
        )

    def _work(self, token: str, method: str) -> Answer:
        if method != "POST":
            return Answer.of_html(405, "<p>The request method is inappropriate.</p>")
        grants, now = self._world.grants, self._world.clock.now()
        refresh_token, access_token = grants.refresh_tokens.get(token), grants.access_tokens.get(token)
        known = refresh_token or access_token
        if not token:
            return errors.invalid_request("Missing required parameter: token")
        is_invalid = (refresh_token is not None and refresh_token.get_revocation(now) is not None) or (
            access_token is not None and not access_token.valid(now)
        )
        if known is None or is_invalid:
            return errors.oauth_error(400, "invalid_token", "Token expired or revoked")
        for grant in grants.of(known.address, known.client_id):
            grants.revoke(grant, "revoked")
        return Answer.of_json(200, {})

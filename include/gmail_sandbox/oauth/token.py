"""The token endpoint, written as raw ASGI because benchmarks send tens of thousands of requests to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.types import Receive, Scope, Send

from gmail_sandbox.dispatch import Caller, Outcome, respond
from gmail_sandbox.fault_catalog import CATALOGUE, CAUSES, SCOPE_LOST
from gmail_sandbox.http_faults import header, read_body
from gmail_sandbox.oauth import errors
from gmail_sandbox.oauth.grants import TESTING_SECONDS, Code, RefreshToken
from gmail_sandbox.oauth.service_accounts import JWT_BEARER, Assertion, read_assertion, refusal
from gmail_sandbox.records import TokenRequest
from gmail_sandbox.responses import JSON_TYPE, Answer
from gmail_sandbox.state import World

_NO_STORE = (("cache-control", "no-cache, no-store, max-age=0, must-revalidate"), ("pragma", "no-cache"))


@dataclass(frozen=True, slots=True)
class Form:
    """A parsed token request with the token, code or assertion that it refers to."""

    fields: dict[str, str]
    client_id: str
    client_secret: str
    refresh: RefreshToken | None = None
    code: Code | None = None
    assertion: Assertion | None = None

    @property
    def address(self) -> str | None:
        """Return the account of the token, code or assertion, or None if it is unknown."""
        known = self.refresh or self.code or self.assertion
        return known.address or None if known is not None else None


class TokenEndpoint:
    """`POST /token`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._second = 0
        self._in_second = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request and add it to the log of token requests."""
        world = self._world
        form = read_form(world, await read_body(receive), header(scope, b"authorization"))
        caller = Caller("token", "token", form.address, form.client_id)
        live = None if form.refresh is None else form.refresh.get_revocation(world.clock.now()) is None
        await respond(
            world, caller, lambda: self._work(scope, form), world.settings.latency_ms.token, (scope, receive, send),
            lambda outcome: self._log(form, outcome, live),
        )  # fmt: skip

    def _work(self, scope: Scope, form: Form) -> Answer:
        if scope["method"] != "POST":
            return Answer.of_html(405, "<p>The request method is inappropriate.</p>")
        if self._too_fast():
            return errors.RATE_LIMITED
        world = self._world
        if form.fields.get("grant_type") == JWT_BEARER:  # the signature identifies the client
            return act_for(world, form, f"{scope['scheme']}://{header(scope, b'host')}{scope['path']}")
        refused = check_client(world, form)
        if refused is not None:
            return refused
        match form.fields.get("grant_type"):
            case "refresh_token":
                return refresh(world, form)
            case "authorization_code":
                return exchange(world, form)
            case other:
                return errors.oauth_error(400, "unsupported_grant_type", f"Invalid grant_type: {other or ''}")

    def _too_fast(self) -> bool:
        """Count the request and return whether the rate limit is exceeded.

        Counted per second of real time, because tests move the sandbox's clock.
        """
        limit = self._world.settings.token_rate_limit
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return limit is not None and self._in_second > limit

    def _log(self, form: Form, outcome: Outcome, live: bool | None) -> None:
        stats = self._world.stats
        error = outcome.fault.label if outcome.fault and outcome.status is None else error_code(outcome.answer)
        stats.token_requests.append(
            TokenRequest(
                id=stats.next_token_request(),
                at=self._world.clock.now(),
                grant_type=form.fields.get("grant_type", ""),
                address=form.address,
                client_id=form.client_id,
                status=outcome.status,
                error=error,
                live=live,
            )
        )
        stats.token_outcomes[error or "ok"] += 1
        if form.address is not None:
            stats.of(form.address).token_requests += 1


def error_code(answer: Answer) -> str | None:
    """Return the error code of a response, or `http_<status>` if its body has none; None for an issued token."""
    if answer.status == 200 and b'"access_token"' in answer.body:
        return None
    if answer.content_type == JSON_TYPE:
        body = json.loads(answer.body)
        if isinstance(body, dict) and "error" in body:
            return str(body["error"])
    return f"http_{answer.status}"


def read_form(world: World, body: bytes, authorization: str) -> Form:
    """Parse the form body; take the client id and secret from it or from a Basic header."""
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if authorization[:6].lower() == "basic ":
        client_id, secret = _basic(authorization[6:])
    if fields.get("grant_type") == JWT_BEARER:
        assertion = read_assertion(world, fields.get("assertion", ""))
        return Form(fields, assertion.client_id if assertion else "", "", assertion=assertion)
    refresh_token = world.grants.refresh_tokens.get(fields.get("refresh_token", ""))
    return Form(fields, client_id, secret, refresh_token, world.grants.codes.get(fields.get("code", "")))


def _basic(encoded: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)


def check_client(world: World, form: Form) -> Answer | None:
    """Return Google's refusal of the client, or None if it is accepted."""
    if not form.client_id:
        return errors.invalid_request("Could not determine client ID from request.")
    client = world.clients.get(form.client_id)
    if client is None:
        return errors.CLIENT_NOT_FOUND
    if client.refuse_with is not None:
        return errors.CLIENT_REFUSALS[client.refuse_with]
    if client.client_secrets and not form.client_secret:
        return errors.invalid_request("client_secret is missing.")
    if client.client_secrets and form.client_secret not in client.client_secrets:
        return errors.CLIENT_SECRET_INVALID
    return None


def refresh(world: World, form: Form) -> Answer:
    """Exchange a refresh token for an access token."""
    now = world.clock.now()
    token = form.refresh
    if not form.fields.get("refresh_token"):
        return errors.invalid_request("Missing required parameter: refresh_token")
    if token is None:
        return errors.BAD_REQUEST
    if token.client_id != form.client_id:
        return errors.UNAUTHORIZED_CLIENT
    cause = token.get_revocation(now)
    if cause is not None:
        return CATALOGUE[CAUSES[cause]].answer
    scopes = frozenset({"openid"}) if token.revocation == SCOPE_LOST else token.scopes
    requested = frozenset(form.fields.get("scope", "").split())
    if not requested <= scopes:
        return errors.oauth_error(
            400, "invalid_scope", f"Some requested scopes were invalid. {{invalid={sorted(requested - scopes)}}}"
        )
    token.last_used = now
    rotated = None
    if world.settings.rotate_refresh_tokens:
        rotated = world.grants.issue_refresh(token.address, token.client_id, token.scopes, now, token.expires_at)
        if world.settings.rotation_kills_old:
            token.revocation = "revoked"
    return _granted(world, token, requested or scopes, rotated)


def exchange(world: World, form: Form) -> Answer:
    """Exchange an authorization code for tokens."""
    now = world.clock.now()
    code = form.code
    if not form.fields.get("code"):
        return errors.invalid_request("Missing required parameter: code")
    if code is None:
        return errors.oauth_error(400, "invalid_grant", "Malformed auth code.")
    if code.client_id != form.client_id:
        return errors.UNAUTHORIZED_CLIENT
    if code.used or now >= code.expires_at:
        return errors.BAD_REQUEST
    if form.fields.get("redirect_uri") != code.redirect_uri:
        return errors.oauth_error(400, "redirect_uri_mismatch", "Bad Request")
    if code.challenge is not None:
        verifier = form.fields.get("code_verifier")
        if not verifier:
            return errors.oauth_error(400, "invalid_grant", "Missing code verifier.")
        if s256(verifier) != code.challenge:
            return errors.oauth_error(400, "invalid_grant", "Invalid code verifier.")
    code.used = True
    if not code.with_refresh_token:
        return _granted(world, code, code.scopes, None)
    client = world.clients[form.client_id]
    expires_at = now + TESTING_SECONDS if client.publishing == "testing" else None
    token = world.grants.issue_refresh(code.address, code.client_id, code.scopes, now, expires_at)
    return _granted(world, token, code.scopes, token)


def act_for(world: World, form: Form, endpoint: str) -> Answer:
    """Exchange a service account's assertion for an access token of the impersonated mailbox."""
    if not form.fields.get("assertion"):
        return errors.invalid_request("Missing required parameter: assertion")
    if form.assertion is None:
        return errors.BAD_REQUEST
    refused = refusal(world, form.assertion, endpoint)
    return refused or _granted(world, form.assertion, form.assertion.scopes, None)


def s256(verifier: str) -> str:
    """Return the PKCE challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _granted(
    world: World, source: RefreshToken | Code | Assertion, scopes: frozenset[str], minted: RefreshToken | None
) -> Answer:
    now = world.clock.now()
    lifetime = world.settings.access_token_lifetime_seconds
    text, _ = world.grants.issue_access(source.address, source.client_id, scopes, now, lifetime)
    body: dict[str, str | int] = {"access_token": text, "expires_in": lifetime}
    if minted is not None:
        body["refresh_token"] = minted.token
    body |= {"scope": " ".join(sorted(scopes)), "token_type": "Bearer"}
    if isinstance(source, RefreshToken) and source.expires_at is not None:
        # Google returns whole remaining seconds: 604799 for a grant that was just issued.
        body["refresh_token_expires_in"] = max(0, int(source.expires_at - now - 0.001))
    return Answer(200, json.dumps(body).encode(), JSON_TYPE, _NO_STORE)

"""Token requests of the audit: many in flight over kept connections, at the pace of a pacer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import (
    FORM_HEADERS,
    OAuthClient,
    TokenResponse,
    TokenResult,
    build_refresh_form,
    classify_response,
    parse_response,
)

MAX_TRANSIENT_TRIES = 2
"""How often one grant is asked about while Google fails."""
MAX_THROTTLED_TRIES = 20
"""How often one grant is asked about while Google throttles; each time at a slower pace."""


class TokenProber:
    """Ask Google about refresh tokens; an asynchronous context manager."""

    def __init__(self, client: OAuthClient, settings: Settings, pacer: RateLimiter) -> None:
        self._client, self._settings, self._pacer = client, settings, pacer
        self._secrets = list(client.secrets)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        timeout = aiohttp.ClientTimeout(
            sock_connect=self._settings.connect_timeout, sock_read=self._settings.read_timeout
        )
        connector = aiohttp.TCPConnector(limit=self._settings.audit_concurrency)
        self._http = aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        await self._http.close()

    async def probe_token(
        self, refresh_token: str, *, closed: Callable[[], Reason | None]
    ) -> tuple[TokenResult, float]:
        """Return Google's verdict, and the seconds since it was asked.

        Args:
            closed: returns why asking makes no sense any more, or None.
        """
        failed = throttled = 0
        while True:
            sent = await self._pacer.wait_for_turn()
            if reason := closed():
                return TokenResult(reason=reason, request_sent=False), 0.0
            verdict = await self._try_secrets(refresh_token)
            elapsed = time.monotonic() - sent
            if verdict.reason.category is ResponseCategory.THROTTLED:
                self._pacer.record_throttling(verdict.retry_after, sent=sent)
                throttled += 1
            elif verdict.reason.category is ResponseCategory.TRANSIENT:
                failed += 1
            else:
                self._pacer.record_answer()
                return verdict, elapsed
            if failed >= MAX_TRANSIENT_TRIES or throttled >= MAX_THROTTLED_TRIES:
                return verdict, elapsed
            if verdict.reason.category is ResponseCategory.TRANSIENT:
                await asyncio.sleep(min(verdict.retry_after or 0.2, 30))

    async def _try_secrets(self, refresh_token: str) -> TokenResult:
        """Try the client's secrets in order; the one that was accepted is tried first from then on."""
        verdict = TokenResult(reason=REASONS["invalid_client"])
        for secret in list(self._secrets):
            verdict = classify_response(await self._post_form(build_refresh_form(self._client, secret, refresh_token)))
            if verdict.reason.code != "invalid_client":
                if verdict.reason.category is ResponseCategory.OK and secret != self._secrets[0]:
                    self._secrets.sort(key=lambda known: known != secret)
                break
        return verdict

    async def _post_form(self, form: str) -> TokenResponse:
        try:
            async with self._http.post(
                self._client.token_uri, data=form, headers=FORM_HEADERS, allow_redirects=False
            ) as response:
                return parse_response(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return TokenResponse(status=None, detail=type(error).__name__)

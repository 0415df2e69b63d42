"""Send the token requests of the audit: many at a time, over persistent connections, at a limited rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
import httpx

from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.network.async_client import AsyncClient
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
"""Maximum number of requests for one grant while Google fails."""
MAX_THROTTLED_TRIES = 20
"""Maximum number of requests for one grant while Google throttles, each at a lower rate."""


class TokenProber:
    """Send token requests; an asynchronous context manager."""

    def __init__(self, client: OAuthClient, settings: Settings, rate_limiter: RateLimiter) -> None:
        self._client, self._rate_limiter = client, rate_limiter
        self._secrets = list(client.secrets)
        self._http = AsyncClient(
            client.token_uri,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            concurrency=settings.audit_concurrency,
        )

    async def __aenter__(self) -> Self:
        """Open the HTTP session."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the HTTP session."""
        await self._http.__aexit__(kind, error, trace)

    async def probe_token(
        self, refresh_token: str, *, blocked_reason: Callable[[], Reason | None]
    ) -> tuple[TokenResult, float]:
        """Return the result of a token request, and the seconds since it was sent.

        Args:
            blocked_reason: returns why no more requests may be sent, or None.
        """
        failed = throttled = 0
        while True:
            sent = await self._rate_limiter.wait_for_turn()
            if reason := blocked_reason():
                return TokenResult(reason=reason, request_sent=False), 0.0
            result = await self._try_secrets(refresh_token)
            elapsed = time.monotonic() - sent
            if result.reason.category is ResponseCategory.THROTTLED:
                self._rate_limiter.record_throttling(result.retry_after, sent=sent)
                throttled += 1
            elif result.reason.category is ResponseCategory.TRANSIENT:
                failed += 1
            else:
                self._rate_limiter.record_answer()
                return result, elapsed
            if failed >= MAX_TRANSIENT_TRIES or throttled >= MAX_THROTTLED_TRIES:
                return result, elapsed
            if result.reason.category is ResponseCategory.TRANSIENT:
                await asyncio.sleep(min(result.retry_after or 0.2, 30))

    async def _try_secrets(self, refresh_token: str) -> TokenResult:
        """Try the secrets of the OAuth client in order; later requests try the accepted one first."""
        result = TokenResult(reason=REASONS["invalid_client"])
        for secret in list(self._secrets):
            result = classify_response(await self._post_form(build_refresh_form(self._client, secret, refresh_token)))
            if result.reason.code != "invalid_client":
                if result.reason.category is ResponseCategory.OK and secret != self._secrets[0]:
                    self._secrets.sort(key=lambda other: other != secret)
                break
        return result

    async def _post_form(self, form: str) -> TokenResponse:
        try:
            return parse_response(*await self._http.post(form, FORM_HEADERS))
        except (aiohttp.ClientError, TimeoutError, httpx.HTTPError) as error:
            return TokenResponse(status=None, detail=type(error).__name__)

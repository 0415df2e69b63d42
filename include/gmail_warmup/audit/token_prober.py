"""Send the token requests of the audit: many at a time, over persistent connections."""

from __future__ import annotations

import aiohttp
import httpx

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.network.async_client import AsyncClient
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import (
    FORM_HEADERS,
    OAuthClient,
    TokenResponse,
    TokenResult,
    build_refresh_form,
    classify_response,
    parse_response,
)


class TokenProber(AsyncClient):
    """Send token requests; an asynchronous context manager."""

    def __init__(self, client: OAuthClient, settings: Settings) -> None:
        self._client = client
        self._secrets = list(client.secrets)
        super().__init__(
            client.token_uri,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            concurrency=settings.audit_concurrency,
        )

    async def request_token(self, refresh_token: str) -> TokenResult:
        """Send one request per secret of the OAuth client until one is accepted; later calls try that one first."""
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
            return parse_response(*await self.post(form, FORM_HEADERS))
        except (aiohttp.ClientError, TimeoutError, httpx.HTTPError) as error:
            code, detail = classify_transport_error(error), type(error).__name__
            return TokenResponse(status=None, transport=code, detail=detail)

"""Token requests of the audit: many in flight over kept connections, at the pace of a pacer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from gmail_warmup.audit.rate_limiter import Pacer
from gmail_warmup.core.enums import AnswerClass
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import FORM, Answer, OAuthClient, Verdict, classify, read_answer, refresh_form

TRIES = 2
"""How often one grant is asked about while Google fails."""
THROTTLED_TRIES = 20
"""How often one grant is asked about while Google throttles; each time at a slower pace."""


class Prober:
    """Ask Google about refresh tokens; an asynchronous context manager."""

    def __init__(self, client: OAuthClient, settings: Settings, pacer: Pacer) -> None:
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

    async def ask(self, refresh_token: str, *, closed: Callable[[], Reason | None]) -> tuple[Verdict, float]:
        """Return Google's verdict, and the seconds since it was asked.

        Args:
            closed: returns why asking makes no sense any more, or None.
        """
        failed = throttled = 0
        while True:
            sent = await self._pacer.turn()
            if reason := closed():
                return Verdict(reason=reason, asked=False), 0.0
            verdict = await self._first_accepted(refresh_token)
            elapsed = time.monotonic() - sent
            if verdict.reason.answer is AnswerClass.THROTTLED:
                self._pacer.throttled(verdict.retry_after, sent=sent)
                throttled += 1
            elif verdict.reason.answer is AnswerClass.TRANSIENT:
                failed += 1
            else:
                self._pacer.answered()
                return verdict, elapsed
            if failed >= TRIES or throttled >= THROTTLED_TRIES:
                return verdict, elapsed
            if verdict.reason.answer is AnswerClass.TRANSIENT:
                await asyncio.sleep(min(verdict.retry_after or 0.2, 30))

    async def _first_accepted(self, refresh_token: str) -> Verdict:
        """Try the client's secrets in order; the one that was accepted is tried first from then on."""
        verdict = Verdict(reason=REASONS["invalid_client"])
        for secret in list(self._secrets):
            verdict = classify(await self._post(refresh_form(self._client, secret, refresh_token)))
            if verdict.reason.code != "invalid_client":
                if verdict.reason.answer is AnswerClass.OK and secret != self._secrets[0]:
                    self._secrets.sort(key=lambda known: known != secret)
                break
        return verdict

    async def _post(self, form: str) -> Answer:
        try:
            async with self._http.post(
                self._client.token_uri, data=form, headers=FORM, allow_redirects=False
            ) as response:
                return read_answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(status=None, detail=type(error).__name__)

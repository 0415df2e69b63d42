"""Probe a mailbox with a Gmail call: the second opinion about a refusal that Gmail caused."""

from __future__ import annotations

import aiohttp
import httpx

from gmail_warmup.core.enums import FLAGGED_STATES, RefusingParty, ResponseCategory
from gmail_warmup.core.network.async_client import AsyncClient
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.answers import find_reason, read_api_answer
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import GOOGLE_API

_PROFILE_PATH = "/gmail/v1/users/me/profile"
"""The cheapest call: one quota unit, and it changes nothing."""


def needs_gmail_call(grant: StoredGrant) -> bool:
    """Return whether a refresh is not enough to find that a mailbox works.

    What Gmail refused, only Gmail can end. A flagged mailbox is reported as recovered only if Gmail answers as well:
    both parties may refuse it.
    """
    return grant.refused_by is RefusingParty.GMAIL or grant.state in FLAGGED_STATES


class GmailProber(AsyncClient):
    """Request the profiles of mailboxes; an asynchronous context manager.

    Args:
        api_root: the root URL of the Gmail API; Google's by default.
    """

    def __init__(self, api_root: str | None, settings: Settings) -> None:
        super().__init__(
            (api_root or GOOGLE_API).rstrip("/") + _PROFILE_PATH,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            concurrency=settings.audit_concurrency,
        )

    async def probe_mailbox(self, access_token: str) -> Reason:
        """Return what Gmail's answer to a call with this access token means."""
        try:
            status, headers, content = await self.get({"Authorization": f"Bearer {access_token}"})
        except (aiohttp.ClientError, TimeoutError, httpx.HTTPError) as error:
            return REASONS[classify_transport_error(error)]
        if status == 200 and b'"emailAddress"' in content:
            return REASONS["ok"]
        reason = find_reason(read_api_answer(status, headers, content))
        concerns_mailbox = reason.state is not None or reason.category is ResponseCategory.TRANSIENT
        return reason if concerns_mailbox else REASONS["unknown_answer"]

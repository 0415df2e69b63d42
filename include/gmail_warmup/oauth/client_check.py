"""Check at the token endpoint whether Google accepts an OAuth client; this needs no mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import (
    FORM_HEADERS,
    OAuthClient,
    build_refresh_form,
    classify_response,
    parse_response,
)

FAKE_REFRESH_TOKEN = "1//gmail-warmup-doctor-made-up"  # noqa: S105  not a real token

SecretProbe = tuple[Reason, datetime | None]
"""The response for one secret of the client, and its Date header."""


@dataclass(frozen=True, kw_only=True)
class ClientVerdict:
    """Whether the token endpoint accepts a client.

    Attributes:
        works: whether at least one secret is accepted.
        is_complete: whether all secrets are accepted.
    """

    works: bool
    is_complete: bool
    message: str
    remedy: str = ""


def probe_client(client: OAuthClient, *, connect_timeout: float, read_timeout: float) -> list[SecretProbe]:
    """Send an invalid refresh token with each secret: the error depends on whether the endpoint accepts the client.

    Raises:
        ConfigurationError: if the network configuration is not usable.
    """
    probes: list[SecretProbe] = []
    with open_client(client.token_uri, connect_timeout=connect_timeout, read_timeout=read_timeout) as http:
        for secret in client.secrets:
            form = build_refresh_form(client, secret, FAKE_REFRESH_TOKEN)
            try:
                response = http.post(client.token_uri, content=form, headers=FORM_HEADERS)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return [*probes, (REASONS[classify_transport_error(error)], None)]
            answer = parse_response(response.status_code, response.headers, response.content)
            probes.append((classify_response(answer).reason, _parse_date(response.headers.get("Date"))))
    return probes


def judge_client(client: OAuthClient, probes: Sequence[SecretProbe]) -> ClientVerdict:
    """Return what the responses say about the client."""
    host, rejected = urlsplit(client.token_uri).netloc, list[tuple[int, Reason]]()
    for number, (reason, _) in enumerate(probes, 1):
        if reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED):
            general = "Check the network, the proxy and token_uri of the OAuth client; then try again."
            remedy = general if reason.remedy.startswith("No action") else reason.remedy
            return ClientVerdict(works=False, is_complete=False, message=f"{host}: {reason.message}", remedy=remedy)
        if reason.category is ResponseCategory.APP:
            rejected.append((number, reason))
    if not rejected:
        return ClientVerdict(works=True, is_complete=True, message=f"{host} accepts the client.")
    number, reason = rejected[0]
    return ClientVerdict(
        works=len(rejected) < len(probes),
        is_complete=False,
        message=f"Secret {number} of {len(probes)}: {reason.message}",
        remedy=reason.remedy,
    )


def _parse_date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None

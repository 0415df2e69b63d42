"""Ask Gmail which mailbox a new access token belongs to, and whether a message is in it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.oauth.answers import Answer, Body, Party, find_reason, read_api_answer
from gmail_warmup.oauth.token_endpoint import GOOGLE_API, TokenEndpoint


def fetch_signed_in_address(endpoint: TokenEndpoint, access_token: str) -> str | Answer:
    """Return the address of the mailbox that a token gives access to, or Gmail's answer if it is another one."""
    response = _get(endpoint, access_token, "profile")
    if isinstance(response, Answer):
        return response
    profile = parse_json(response.content)
    address = profile.get("emailAddress") if isinstance(profile, dict) else None
    if not isinstance(address, str):
        return Answer(party=Party.GMAIL, status=200, body=Body.FOREIGN)
    return address.lower()


def fetch_message_id(endpoint: TokenEndpoint, access_token: str, gmail_id: str) -> str | Answer:
    """Return the Message-ID of a message by its Gmail id, empty if the account lacks the message.

    Any other answer of Gmail, which does not say whether it has the message, is returned itself.
    """
    path = f"messages/{quote(gmail_id, safe='')}?format=metadata&metadataHeaders=Message-ID"
    response = _get(endpoint, access_token, path)
    if isinstance(response, Answer):
        return "" if find_reason(response).code == "not_found" else response
    message: Any = parse_json(response.content)
    if not isinstance(message, dict) or message.get("id") != gmail_id:
        return Answer(party=Party.GMAIL, status=200, body=Body.FOREIGN)
    try:
        return next(str(header["value"]) for header in message["payload"]["headers"])
    except (LookupError, TypeError, StopIteration):
        return ""


def _get(endpoint: TokenEndpoint, access_token: str, path: str) -> httpx.Response | Answer:
    """Return a response with the status 200, or Gmail's answer if it is another one."""
    root = (endpoint.client.api_endpoint or GOOGLE_API).rstrip("/")
    headers = {"Authorization": f"Bearer {access_token}"}
    try:
        with open_client(root, connect_timeout=endpoint.connect_timeout, read_timeout=endpoint.read_timeout) as http:
            response = http.get(f"{root}/gmail/v1/users/me/{path}", headers=headers)
    except httpx.HTTPError as error:
        return Answer(party=Party.GMAIL, status=None, transport=classify_transport_error(error))
    if response.status_code != 200:
        return read_api_answer(response.status_code, response.headers, response.content)
    return response

"""Ask Google to revoke a grant (RFC 7009).

Google then ends every grant that the account gave to the same Google Cloud project, also those of other installations.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.oauth.answers import Answer, Body, Party, find_reason
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import FORM_HEADERS, TokenEndpoint, TokenResponse, parse_response

GOOGLE_REVOKE_URI = "https://oauth2.googleapis.com/revoke"
_GOOGLE_HOSTS = (".googleapis.com", ".google.com")
_NOT_VALID = "invalid_token"
"""Google's error for a token whose grant is revoked or expired already."""


def get_revoke_uri(token_uri: str) -> str:
    """Return the address of the revocation endpoint that belongs to a token endpoint."""
    host = urlsplit(token_uri).hostname or ""
    return GOOGLE_REVOKE_URI if host.endswith(_GOOGLE_HOSTS) else urljoin(token_uri, "revoke")


def revoke_token(endpoint: TokenEndpoint, token: str) -> Reason:
    """Revoke the grant of a token; the reason ``ok`` means that it is not valid any more.

    The request is sent once; it can safely be repeated.
    """
    uri = get_revoke_uri(endpoint.client.token_uri)
    try:
        with open_client(uri, connect_timeout=endpoint.connect_timeout, read_timeout=endpoint.read_timeout) as http:
            answer = http.post(uri, content=urlencode({"token": token}), headers=FORM_HEADERS)
    except httpx.HTTPError as error:
        return REASONS[classify_transport_error(error)]
    return _classify(parse_response(answer.status_code, answer.headers, answer.content))


def _classify(response: TokenResponse) -> Reason:
    is_google = isinstance(response.body, Mapping)  # and not the page of a proxy
    error = response.get_text("error")
    if is_google and (response.status == 200 or error == _NOT_VALID):
        return REASONS["ok"]
    body = Body.ERROR if is_google else Body.FOREIGN
    return find_reason(Answer(party=Party.REFRESH, status=response.status, body=body, errors=(error,)))

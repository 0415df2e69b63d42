"""Checks on what Google has to know: the OAuth client and its redirect URI."""

from __future__ import annotations

from urllib.parse import urlsplit

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.text import pluralize
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.installation import compare_clocks
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.oauth.token_endpoint import GOOGLE_TOKEN_URI


def check_oauth_client(ground: DoctorContext) -> CheckOutcome:
    """Read the Connection of the OAuth client."""
    client = ground.services.oauth_client
    conn_id = ground.services.settings.client_conn_id
    if client.token_uri == GOOGLE_TOKEN_URI and not client.client_id.endswith(".apps.googleusercontent.com"):
        step = f"Compare the login of the Connection {conn_id} with the Google Cloud console."
        return Status.WARNING, f"{client.client_id} does not look like a client id of Google's.", step
    return Status.OK, f"{client.client_id}, with {pluralize(len(client.secrets), 'secret')}."


def check_token_endpoint(ground: DoctorContext) -> CheckOutcome:
    """Send a made-up refresh token: only who knows the client complains about the token."""
    refused, host = [], urlsplit(ground.services.oauth_client.token_uri).netloc
    for number, (reason, _) in enumerate(ground.probe_results, 1):
        if reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED):
            step = "Check the network, its proxy and token_uri of the OAuth client; then try again."
            return Status.PROBLEM, f"{host}: {reason.message}", step
        if reason.category is ResponseCategory.APP:
            refused.append((number, reason))
    if refused:
        number, reason = refused[0]
        status = Status.PROBLEM if len(refused) == len(ground.probe_results) else Status.WARNING
        return status, f"Secret {number} of {len(ground.probe_results)}: {reason.message}", reason.remedy
    return Status.OK, f"{host} accepts the client."


def check_google_clock(ground: DoctorContext) -> CheckOutcome:
    """Compare this machine's clock with the header Date of the token endpoint."""
    dates = [date for _, date in ground.probe_results if date]
    if not dates:
        return Status.WARNING, "Could not tell: the answer had no date."
    return compare_clocks("Google's", dates[-1])


def check_redirect_uri(ground: DoctorContext) -> CheckOutcome:
    """Show the callback's address."""
    from gmail_warmup.core import urls

    uri = urls.redirect_uri()
    parts = urlsplit(uri)
    if parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return Status.OK, f"Paste it into the OAuth client's redirect URIs: {uri}"
    step = "Serve Airflow by https and set AIRFLOW__API__BASE_URL; Google allows http on localhost only."
    return Status.PROBLEM, f"{uri} is not https.", step

"""Checks of the OAuth client, its redirect URI and the token endpoint."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.network.environment import find_proxy
from gmail_warmup.core.text import pluralize
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.installation import compare_clocks
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.oauth.client_check import FAKE_REFRESH_TOKEN, judge_client
from gmail_warmup.oauth.token_endpoint import GOOGLE_TOKEN_URI, TokenResult


def check_oauth_client(context: DoctorContext) -> CheckOutcome:
    """Check the Connection of the OAuth client."""
    client = context.services.oauth_client
    conn_id = context.services.settings.client_conn_id
    if client.token_uri == GOOGLE_TOKEN_URI and not client.client_id.endswith(".apps.googleusercontent.com"):
        step = f"Compare the login of the Connection {conn_id} with the Google Cloud console."
        return Status.WARNING, f"{client.client_id} does not look like a Google client ID.", step
    return Status.OK, f"{client.client_id}, with {pluralize(len(client.secrets), 'secret')}."


def check_token_endpoint(context: DoctorContext) -> CheckOutcome:
    """Send an invalid refresh token: the error depends on whether the endpoint accepts the client."""
    verdict = judge_client(context.services.oauth_client, context.probe_results)
    if verdict.is_complete:
        return Status.OK, verdict.message
    return Status.WARNING if verdict.works else Status.PROBLEM, verdict.message, verdict.remedy


def check_audit_connection(context: DoctorContext) -> CheckOutcome:
    """Send a token request as the audit does, which uses another HTTP library than the tasks and the page."""
    token_uri = context.services.oauth_client.token_uri
    host, proxy = urlsplit(token_uri).netloc, find_proxy(token_uri)
    where = f"through the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}" if proxy else "without a proxy"
    reason = asyncio.run(_probe_as_audit(context)).reason
    if reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED):
        return Status.PROBLEM, f"{host} ({where}): {reason.message}", reason.remedy
    return Status.OK, f"{host} answers {where}."


async def _probe_as_audit(context: DoctorContext) -> TokenResult:
    services = context.services
    async with TokenProber(services.oauth_client, services.settings) as prober:
        return await prober.request_token(FAKE_REFRESH_TOKEN)


def check_google_clock(context: DoctorContext) -> CheckOutcome:
    """Compare this machine's clock with the Date header of the token endpoint."""
    dates = [date for _, date in context.probe_results if date]
    if not dates:
        return Status.WARNING, "Unknown: the response has no Date header."
    return compare_clocks("Google's", dates[-1])


def check_redirect_uri(context: DoctorContext) -> CheckOutcome:
    """Check the redirect URI."""
    from gmail_warmup.airflow.configuration import load_urls

    uri = load_urls().redirect_uri
    parts = urlsplit(uri)
    if parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return Status.OK, f"{uri} (has to be among the redirect URIs of the OAuth client)"
    step = "Serve Airflow by https and set AIRFLOW__API__BASE_URL; Google allows http on localhost only."
    return Status.PROBLEM, f"{uri} does not use https.", step

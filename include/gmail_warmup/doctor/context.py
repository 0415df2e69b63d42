"""Shared state of the checks: services, both databases, and the cached responses of Google."""

from __future__ import annotations

import functools
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.network.client import open_client
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.oauth.reasons import Reason
from gmail_warmup.oauth.token_endpoint import FORM_HEADERS, build_refresh_form, classify_response, parse_response

FAKE_REFRESH_TOKEN = "1//gmail-warmup-doctor-made-up"  # noqa: S105  not a real token


class DoctorContext:
    """The installation to check.

    Args:
        airflow_engine: connects to Airflow's own tables, if this process may.
    """

    def __init__(self, services: Services, airflow_engine: sa.Engine | None) -> None:
        self.services = services
        self._airflow_engine = airflow_engine

    def fetch_rows(self, query: sa.Executable) -> list[Any]:
        """Query the package's schema."""
        with read_transaction(self.services.engine) as connection:
            return list(connection.execute(query).all())

    def find_addresses(self, *conditions: sa.ColumnElement[bool]) -> list[str]:
        """Return the addresses of mailboxes whose grants meet these conditions, sorted."""
        query = sa.select(Mailbox.address).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        return [row.address for row in self.fetch_rows(query.where(*conditions).order_by(Mailbox.address))]

    def query_airflow(self, query: sa.Executable) -> Any:
        """Return a value from Airflow's tables; None if this process may not read them."""
        for engine in (self._airflow_engine, self.services.engine):
            try:
                if engine is not None and engine.dialect.name == "postgresql":
                    with read_transaction(engine) as connection:
                        return connection.scalar(query)
            except SQLAlchemyError:
                continue
        return None

    @functools.cached_property
    def probe_results(self) -> list[tuple[Reason, datetime | None]]:
        """Return the token endpoint's response for each secret of the client, and its Date header."""
        client, settings = self.services.oauth_client, self.services.settings
        results: list[tuple[Reason, datetime | None]] = []
        with open_client(
            client.token_uri, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
        ) as http:
            for secret in client.secrets:
                try:
                    response = http.post(
                        client.token_uri,
                        content=build_refresh_form(client, secret, FAKE_REFRESH_TOKEN),
                        headers=FORM_HEADERS,
                    )
                except (httpx.HTTPError, httpx.InvalidURL):
                    host = urlsplit(client.token_uri).netloc
                    raise GmailWarmupError(f"No response from {host}. Check the network and the proxy.") from None
                reason = classify_response(
                    parse_response(response.status_code, response.headers, response.content)
                ).reason
                results.append((reason, _parse_date(response.headers.get("Date"))))
        return results


def _parse_date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None

"""What the checks stand on: the services, both databases, and Google's answers, each asked once."""

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
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.oauth.reasons import Reason
from gmail_warmup.oauth.token_endpoint import FORM_HEADERS, build_refresh_form, classify_response, parse_response

_FAKE_REFRESH_TOKEN = "1//gmail-warmup-doctor-made-up"  # noqa: S105  nobody's refresh token


class DoctorContext:
    """One installation that is examined.

    Args:
        airflow_engine: reaches Airflow's own tables, where this process may.
    """

    def __init__(self, services: Services, airflow_engine: sa.Engine | None) -> None:
        self.services = services
        self._airflow_engine = airflow_engine

    def fetch_rows(self, query: sa.Executable) -> list[Any]:
        """Ask the package's own schema."""
        with self.services.engine.connect() as connection:
            return list(connection.execute(query).all())

    def find_addresses(self, *conditions: sa.ColumnElement[bool]) -> list[str]:
        """Return the mailboxes whose grants meet these conditions, by address."""
        query = sa.select(Mailbox.address).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        return [row.address for row in self.fetch_rows(query.where(*conditions).order_by(Mailbox.address))]

    def query_airflow(self, query: sa.Executable) -> Any:
        """Ask a table of Airflow's own; None if this process may not."""
        for engine in (self._airflow_engine, self.services.engine):
            try:
                if engine is not None and engine.dialect.name == "postgresql":
                    with engine.connect() as connection:
                        return connection.scalar(query)
            except SQLAlchemyError:
                continue
        return None

    @functools.cached_property
    def probe_results(self) -> list[tuple[Reason, datetime | None]]:
        """Return what the token endpoint says to each secret of the client, and its time."""
        client, settings = self.services.oauth_client, self.services.settings
        found: list[tuple[Reason, datetime | None]] = []
        with httpx.Client(timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)) as http:
            for secret in client.secrets:
                try:
                    answer = http.post(
                        client.token_uri,
                        content=build_refresh_form(client, secret, _FAKE_REFRESH_TOKEN),
                        headers=FORM_HEADERS,
                    )
                except (httpx.HTTPError, httpx.InvalidURL):
                    host = urlsplit(client.token_uri).netloc
                    raise GmailWarmupError(f"No answer from {host}. Check the network and its proxy.") from None
                reason = classify_response(parse_response(answer.status_code, answer.headers, answer.content)).reason
                found.append((reason, _parse_date(answer.headers.get("Date"))))
        return found


def _parse_date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None

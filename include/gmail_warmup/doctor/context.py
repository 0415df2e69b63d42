"""Shared state of the checks: services, both databases, and the cached responses of Google."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.airflow.services import Services
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.oauth.client_check import SecretProbe, probe_client
from gmail_warmup.oauth.token_endpoint import OAuthClient


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
    def probe_results(self) -> list[SecretProbe]:
        """Return the token endpoint's response for each secret of the default client."""
        return self.probe_client(self.services.oauth_client)

    def probe_client(self, client: OAuthClient) -> list[SecretProbe]:
        """Return the token endpoint's response for each secret of a client."""
        settings = self.services.settings
        return probe_client(client, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)

"""Dependencies of the routes: one set of services per process, created by the first request."""

from __future__ import annotations

import threading
from typing import Annotated, cast

from fastapi import Depends, Request

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.airflow.connections import load_oauth_client
from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.token_endpoint import TokenEndpoint


class AppContext:
    """The services of the api-server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """Return the services, with a small pool of database connections.

        Raises:
            ConfigurationError: if key, database or schema are not ready; the next request tries again.
        """
        with self._lock:
            if self._services is None:
                services = Services(Actor(name="web"), pooled=True)
                services.check_installation()
                self._services = services
            return self._services

    def build_consent_flow(self) -> ConsentFlow:
        """Return the OAuth flow.

        The clients are read each time, so that a corrected Connection takes effect without a restart.
        """
        settings = self.services.settings
        return ConsentFlow(
            self.services.grant_store,
            self.open_endpoint,
            redirect_uri=load_urls().redirect_uri,
            minutes=settings.consent_minutes,
            default_client=settings.client_conn_id,
        )

    def open_endpoint(self, conn_id: str | None) -> TokenEndpoint:
        """Return the token endpoint of an OAuth client, whose Connection is read now."""
        settings = self.services.settings
        return TokenEndpoint(
            load_oauth_client(settings, conn_id),
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
        )

    def diagnose_failure(self) -> ConfigurationError | None:
        """Return why the database failed, if an operator can fix it.

        The next request builds new services, so that a corrected Connection is read.
        """
        with self._lock:
            failed, self._services = self._services, None
        if failed is None:
            return None
        try:
            failed.check_installation()
        except ConfigurationError as error:
            return error
        finally:
            failed.engine.dispose()
        return None


async def _get_context(request: Request) -> AppContext:
    return cast(AppContext, request.app.state.context)


CurrentContext = Annotated[AppContext, Depends(_get_context)]

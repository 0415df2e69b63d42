"""What the handlers share: one set of services per process, made when the first request needs it."""

from __future__ import annotations

import threading
from typing import Annotated, cast

from fastapi import Depends, Request

from gmail_warmup.airflow.services import Services, load_oauth_client
from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.grant_store import Actor
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
            ConfigurationError: if key, database or schema are not ready; the next request looks again.
        """
        with self._lock:
            if self._services is None:
                made = Services(Actor(name="web"), pooled=True)
                made.check_installation()
                self._services = made
            return self._services

    def build_consent_flow(self) -> ConsentFlow:
        """Return the OAuth flow.

        The client is read each time: whoever corrects its Connection must not have to restart the api-server.
        """
        services = self.services
        settings = services.settings
        endpoint = TokenEndpoint(
            load_oauth_client(settings), connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
        )
        return ConsentFlow(
            services.grant_store, endpoint, redirect_uri=urls.redirect_uri(), minutes=settings.consent_minutes
        )

    def diagnose_failure(self) -> ConfigurationError | None:
        """Say why the database failed, if it is for a reason that an operator can mend.

        The services are made anew afterwards, so that a corrected Connection is read.
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


def _get_context(request: Request) -> AppContext:
    return cast(AppContext, request.app.state.context)


CurrentContext = Annotated[AppContext, Depends(_get_context)]

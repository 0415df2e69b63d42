"""Fixtures of the page's tests: one api-server for the session, with empty tables for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gmail_sandbox.client import SandboxClient
from web.kit import Site
from web.serving import clean, make_database, serving


@pytest.fixture(scope="session")
def web_database(postgres: str) -> str:
    """Make a database for the api-server; return its address."""
    return make_database(postgres, "airflow_web")


@pytest.fixture(scope="session")
def api_server(
    web_database: str, sandbox_server: SandboxClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Run the api-server for the session."""
    with serving(tmp_path_factory.mktemp("airflow-web"), web_database, sandbox_server) as site:
        yield site


@pytest.fixture
def site(api_server: Site) -> Site:
    """Yield the running site with empty tables, and Google's stand-in with our client."""
    return clean(api_server, api_server.origin)


@pytest.fixture
def op(site: Site) -> Iterator[httpx.Client]:
    """Yield the browser of somebody with the role Op."""
    with site.browser("op") as browser:
        yield browser

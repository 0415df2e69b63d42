"""Fixtures for all tests: a real PostgreSQL, and the schema in it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.server import running
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.models import Base
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.empty_tables import empty_tables
from support.pooler import pgbouncer
from support.postgres_server import end_with_parent, running_postgres
from support.world import CLIENT_ID, CLIENT_SECRET, FERNET_KEY, World

# Every run draws the same examples, and how long one takes on a busy machine is no fault.
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

LONGEST_TEST_SECONDS = 20
"""How long a test takes that compares dates."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pgbouncer", action="store_true", help="reach the tests' PostgreSQL through PgBouncer")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes for `-n auto`: one per core, and at least three, since tests also wait."""
    return min(8, max(3, os.cpu_count() or 1))


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist, which would outlive a killed controller by seconds
        end_with_parent()
    # Each process has a configuration of Airflow of its own, which it does not find half written by another one.
    home = tempfile.TemporaryDirectory(prefix="gmail-tests-airflow-")
    config.add_cleanup(home.cleanup)
    os.environ["AIRFLOW_HOME"] = home.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist=loadfile` also run all tests of the page in one process: they share an api-server."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "web" if nodeid.startswith("tests/web/") else nodeid.partition("::")[0]

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def same_hour() -> None:
    """Begin no test in the last seconds of an hour: at its end it may be another day in a time zone of the test."""
    left = 3600 - time.time() % 3600
    if left < LONGEST_TEST_SECONDS:
        time.sleep(left)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[str]:
    """Run a PostgreSQL for the session; yield the URL of its database ``postgres``."""
    pooled = pytestconfig.getoption("pgbouncer")
    with running_postgres() as url, pgbouncer(url) if pooled else nullcontext(url) as reached:
        yield reached


@pytest.fixture(scope="session")
def schema(postgres: str) -> sa.Engine:
    """Create the tables once; yield an engine without a pool, as tasks use."""
    engine = sa.create_engine(postgres, poolclass=sa.pool.NullPool)
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def database(schema: sa.Engine) -> sa.Engine:
    """Yield the engine with empty tables."""
    empty_tables(schema)
    return schema


@pytest.fixture(scope="session")
def cipher() -> Cipher:
    return Cipher(MultiFernet([Fernet(FERNET_KEY)]))


@pytest.fixture
def store(database: sa.Engine, cipher: Cipher) -> GrantStore:
    return GrantStore(database, cipher)


@pytest.fixture(scope="session")
def actor() -> Actor:
    return Actor(name="test")


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxClient]:
    """Run the stand-in for Google for the session."""
    with running() as client:
        yield client


@pytest.fixture
def sandbox(sandbox_server: SandboxClient) -> SandboxClient:
    """Yield the stand-in for Google, empty except for one OAuth client."""
    sandbox_server.reset()
    sandbox_server.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET])
    return sandbox_server


@pytest.fixture
def oauth_client(sandbox: SandboxClient) -> OAuthClient:
    return OAuthClient(
        client_id=CLIENT_ID,
        secrets=(CLIENT_SECRET,),
        auth_uri=sandbox.auth_uri,
        token_uri=sandbox.token_uri,
        api_endpoint=sandbox.base_url,
    )


@pytest.fixture
def world(store: GrantStore, sandbox: SandboxClient, oauth_client: OAuthClient, actor: Actor) -> World:
    return World(store=store, sandbox=sandbox, client=oauth_client, actor=actor)

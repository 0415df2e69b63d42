"""Airflow's whole api-server in a process of its own, on a database that ``airflow db migrate`` made."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa
from cryptography.fernet import Fernet

from gmail_embedded.processes import Command, ProcessManager
from gmail_sandbox.client import SandboxClient
from support.empty_tables import empty_tables
from support.webhook_kit import SECRET
from support.workspace import ROBOT, to_connection
from web.kit import CLIENT_ID, CLIENT_SECRET, MOUNT, SECOND_CLIENT, SECOND_CLIENT_ID, Site

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 120

WEBHOOK_CONN_ID = "desk"
"""A receiver of webhooks at a private address, which is refused."""


def make_database(postgres: str, name: str) -> str:
    """Make an empty database; return its address."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return sa.make_url(postgres).set(database=name).render_as_string(hide_password=False)


@contextmanager
def serving(home: Path, database: str, sandbox: SandboxClient, *, base_url: str = "", **more: str) -> Iterator[Site]:
    """Run an api-server.

    Args:
        base_url: where browsers find it, if that is not its own address.
        more: variables for its environment.
    """
    about, log_file = home / "about.json", home / "server.log"
    family, robot = ProcessManager(home, str), sandbox.put_service_account(ROBOT)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        inner, descriptor = f"http://127.0.0.1:{listening.getsockname()[1]}", listening.fileno()
        server = Command(
            name="api-server",
            argv=[sys.executable, str(Path(__file__).with_name("api_server.py")), str(descriptor), str(about)],
            environment=_environment(home, database, base_url or inner, sandbox)
            | {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": to_connection(robot)}
            | more,
            log=log_file,
            cwd=CHECKOUT,
            service=True,
            grace=20,
            pass_fds=[descriptor],
        )
        try:
            family.wait_for(family.start(server), lambda: _answers(inner), START_SECONDS, "it does not answer")
            found = json.loads(about.read_text())
            engine = sa.create_engine(database, poolclass=sa.pool.NullPool)
            yield Site(inner, found["routes"], found["tokens"], engine, sandbox, log_file, robot)
        finally:
            family.close()


def clean(site: Site, base_url: str) -> Site:
    """Empty the tables, and let Google's stand-in know our client."""
    empty_tables(site.engine)
    site.sandbox.reset()
    site.sandbox.put_client(
        CLIENT_ID,
        client_secrets=[CLIENT_SECRET],
        redirect_uris=[f"{base_url}{MOUNT}/oauth/callback"],
        require_pkce=True,
    )
    return site


def _environment(home: Path, database: str, base_url: str, sandbox: SandboxClient) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT / "include"),  # the code next to these tests, wherever the package is installed
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__BASE_URL": base_url,
        "AIRFLOW__API__SECRET_KEY": "test-secret-key",
        "AIRFLOW__API_AUTH__JWT_SECRET": "test-jwt-secret-test-jwt-secret-test-jwt-secret-test-jwt-secret-0",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "GOOGLE_CLIENT_ID": CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "GOOGLE_AUTH_URI": sandbox.auth_uri,
        "GOOGLE_TOKEN_URI": sandbox.token_uri,
        "AIRFLOW__GMAIL_WARMUP__GMAIL_API_ENDPOINT": sandbox.base_url,
        f"AIRFLOW_CONN_{SECOND_CLIENT.upper()}": json.dumps(
            {
                "conn_type": "gmail_oauth_client",
                "login": SECOND_CLIENT_ID,
                "password": CLIENT_SECRET,
                "extra": {"auth_uri": sandbox.auth_uri, "token_uri": sandbox.token_uri},
            }
        ),
        "AIRFLOW__GMAIL_WARMUP__WEBHOOK_CONN_IDS": WEBHOOK_CONN_ID,
        f"AIRFLOW_CONN_{WEBHOOK_CONN_ID.upper()}": json.dumps(
            {"conn_type": "gmail_webhook", "host": "https://127.0.0.1:9/", "password": SECRET}
        ),
    }


def _answers(origin: str) -> bool:
    """Return whether the server answers; the socket listens from the start, so the first request waits for it."""
    try:
        return httpx.get(f"{origin}/api/v2/version", timeout=2).status_code == 200
    except httpx.TransportError:
        return False

"""What the tests of the page share: the running site, browsers of different people, and Google's side of a consent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import sqlalchemy as sa

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings

CLIENT_ID = "client-1.apps.example.com"
CLIENT_SECRET = "GOCSPX-test-secret-1"
SECOND_CLIENT, SECOND_CLIENT_ID = "second_client", "client-2.apps.example.com"
"""A Connection with another OAuth client, and its client id."""
MOUNT = "/gmail-warmup"
API = f"{MOUNT}/api/v1"
LIST = f"{MOUNT}/mailboxes"
OPEN = {
    "/invite": "the page that an invite's link opens; it holds nothing, and asks by script",
    "/invite/thanks": "the last page of an invite; it holds nothing",
    "/invite/look": "answers to the token of an open invite alone",
    "/invite/start": "answers to the token of an open invite alone",
    "/shared-report": "the page that the link to a report opens; it holds nothing, and asks by script",
    "/shared-report/look": "answers to the token of an open link alone",
}
"""The routes that need no login, and why. Each is tested in test_invites.py."""

_PARAMETERS = {
    "{address:path}": "a@example.com",
    "{invite_id}": "1",
    "{removal_id}": "1",
    "{delivery_id}": "1",
    "{tag:path}": "sales",
    "{link_id}": "1",
    "{consent_id}": "1",
    "{dag_id}": "gmail_warmup",
}
_ROW = re.compile(r'<tr role="row" data-address="([^"]+)"')


@dataclass(frozen=True)
class Site:
    """The running api-server, its database and its log."""

    origin: str
    routes: list[dict[str, Any]]
    tokens: dict[str, str]
    engine: sa.Engine
    sandbox: SandboxClient
    log_file: Path
    robot: ServiceAccountMade
    """The service account whose key the Connection has."""

    def browser(self, who: str | None = "op") -> httpx.Client:
        """Return a browser: signed in by Airflow's cookie, and naming its origin as browsers do on a POST."""
        client = httpx.Client(base_url=self.origin, headers={"Origin": self.origin}, timeout=120)
        if who:
            client.cookies.set("_token", self.tokens[who])
        return client

    def stranger(self) -> httpx.Client:
        """Return a browser without a login."""
        return self.browser(None)

    def add(self, address: str, kind: str = "pool", **settings: Any) -> int:
        """Add a mailbox that nobody has signed in with, on both sides."""
        self.sandbox.put_mailbox(address)
        with self.engine.begin() as connection:
            return repository.add_or_update(connection, address, MailboxSettings(kind=kind, **settings), actor="test")

    def plan(self, address: str, *, day: str = "current_date", mails: int = 1) -> None:
        """Give a sender's day room for so many more mails; the ledger takes none beyond it."""
        self.sql(
            "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned) SELECT id, "
            f"{day}, :mails FROM gmail_warmup.mailbox WHERE address = :address "
            "ON CONFLICT (mailbox_id, local_date) DO UPDATE SET planned = mailbox_day.planned + :mails",
            address=address,
            mails=mails,
        )

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement as the administrator; return what rows it has."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def mailbox(self, address: str) -> dict[str, Any]:
        """Return a mailbox's whole row."""
        return self.sql("SELECT * FROM gmail_warmup.mailbox WHERE address = :address", address=address)[0]

    def grant(self, address: str) -> dict[str, Any]:
        """Return a grant's whole row."""
        return self.sql(
            "SELECT g.* FROM gmail_warmup.oauth_grant g JOIN gmail_warmup.mailbox m ON m.id = g.mailbox_id "
            "WHERE address = :address",
            address=address,
        )[0]

    def contents(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table of ours, to compare before and after."""
        return {
            table.name: self.sql(
                f"SELECT * FROM {table} ORDER BY {', '.join(column.name for column in table.primary_key)}"
            )
            for table in Base.metadata.sorted_tables
        }

    def log(self) -> str:
        """Return what the api-server has logged so far."""
        return self.log_file.read_text()


def fill(site: Site, number: int) -> None:
    """Add so many mailboxes that differ in everything that is sorted by; many are alike, and much is not known."""
    site.sql(
        """
        WITH m AS (
            INSERT INTO gmail_warmup.mailbox (address, kind, created_by, warmup_days, paused_at, owner_email)
            SELECT 'box+' || to_char(n * 7 % :number, 'FM0000') || '&x@team' || n % 3 || '.example',
                CASE WHEN n % 4 = 0 THEN 'pool' ELSE 'warmup' END, 't', n % 5, CASE WHEN n % 11 = 0 THEN now() END,
                CASE WHEN n % 3 > 0 THEN 'owner' || n % 7 || '@example.com' END
            FROM generate_series(0, :number - 1) AS n RETURNING id)
        INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state, state_since, granted_at, refreshed_at,
        refresh_expires_at)
        SELECT id, (ARRAY['active', 'active', 'needs_reauth', 'suspect', 'disabled'])[1 + id % 5],
            now() - id % 6 * interval '1.0001 days', now() - interval '170 days',
            CASE WHEN id % 3 > 0 THEN now() - id % 7 * interval '29 days' END,
            CASE WHEN id % 8 = 0 THEN now() + id % 9 * interval '2 days' END
        FROM m
        """,
        number=number,
    )


def rows(text: str) -> list[str]:
    """Return the addresses that the list shows, in its order."""
    return [html.unescape(address) for address in _ROW.findall(text)]


def start(browser: httpx.Client, address: str, purpose: str = "reauth", **settings: Any) -> str:
    """Start a consent; return the address of Google's page."""
    body = {"address": address, "purpose": purpose} | ({"settings": settings} if settings else {})
    answer = browser.post(f"{API}/consents", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def changed(url: str, **query: str | None) -> str:
    """Return an address with another query: None takes a field away."""
    parts = urlsplit(url)
    merged = dict(parse_qsl(parts.query)) | query
    return urlunsplit(
        parts._replace(query=urlencode({key: value for key, value in merged.items() if value is not None}))
    )


def at_google(url: str, account: str, decision: str = "allow", **more: Any) -> str:
    """Answer Google's page as a person does; return the callback's address that it sends the browser to."""
    with httpx.Client(timeout=60) as google:
        page = google.get(url)
        assert page.status_code == 200, page.text
        answer = google.post(url, data={"account": account, "decision": decision} | more)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def path_of(route: dict[str, Any]) -> str:
    """Return a route's path with a value for each parameter."""
    path = MOUNT + str(route["path"])
    for parameter, value in _PARAMETERS.items():
        path = path.replace(parameter, value)
    assert "{" not in path, "give the new path parameter a value"
    return path


def requests_of(site: Site, browser: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Send one request to each route that needs a login, with each of its methods; nothing that is mounted."""
    for route in site.routes:
        if route["mount"] or route["path"] in OPEN:
            continue
        for method in route["methods"]:
            body = None if method in ("GET", "HEAD") else {}
            yield f"{method} {route['path']}", browser.request(method, path_of(route), json=body)


def invite(browser: httpx.Client, address: str) -> str:
    """Make an invite; return the token of its link."""
    answer = browser.post(f"{API}/invites", json={"addresses": [address]})
    assert answer.status_code == 200, answer.text
    link, _, token = answer.json()["invites"][0]["url"].partition("#")
    assert link.endswith(f"{MOUNT}/invite")
    return str(token)


def follow(browser: httpx.Client, token: str) -> str:
    """Press the button of an invite's page; return the address of Google's page."""
    answer = browser.post(f"{MOUNT}/invite/start", json={"token": token})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])

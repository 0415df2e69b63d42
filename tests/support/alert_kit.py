"""Helpers for tests of alerts: state changes and incidents in the database, and an HTTP receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import Alert, AlertItem, GrantEvent, Incident, Mailbox, OAuthGrant

CONN_ID = "gmail_warmup_alerts"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass
class Scene:
    """Writes state changes of mailboxes and incidents into the database."""

    engine: sa.Engine
    ids: dict[str, int] = field(default_factory=dict)

    def down(
        self,
        *addresses: str,
        reason: str = "expired_or_revoked",
        state: str = "needs_reauth",
        at: datetime = NOON,
        incident: int | None = None,
    ) -> None:
        """Flag mailboxes; add those that do not exist."""
        self._move(addresses, "active", state, reason, at, incident)

    def up(self, *addresses: str, reason: str = "consent", at: datetime = NOON) -> None:
        """Make mailboxes active again."""
        self._move(addresses, "needs_reauth", "active", reason, at, None)

    def _move(
        self, addresses: tuple[str, ...], before: str, after: str, reason: str, at: datetime, incident: int | None
    ) -> None:
        with self.engine.begin() as connection:
            for address in addresses:
                if address not in self.ids:
                    self.ids[address] = connection.scalar(
                        sa.insert(Mailbox).values(address=address, kind="pool", created_by="test").returning(Mailbox.id)
                    )
                    connection.execute(
                        sa.insert(OAuthGrant).values(mailbox_id=self.ids[address], state=before, refreshed_at=at)
                    )
                mailbox_id = self.ids[address]
                moved = {"state": after, "reason": None if after == "active" else reason, "state_since": at}
                connection.execute(sa.update(OAuthGrant).where(OAuthGrant.mailbox_id == mailbox_id).values(moved))
                event_id = connection.scalar(
                    sa.insert(GrantEvent)
                    .values(
                        mailbox_id=mailbox_id, at=at, actor="test", from_state=before, to_state=after, reason=reason
                    )
                    .returning(GrantEvent.id)
                )
                connection.execute(
                    sa.insert(AlertItem).values(event_id=event_id, mailbox_id=mailbox_id, incident_id=incident)
                )

    def incident(self, kind: str, reason: str, *, key: str = "", at: datetime = NOON, **detail: Any) -> int:
        """Open an incident and return its id."""
        values = {"kind": kind, "key": key, "reason": reason, "detail": detail, "opened_at": at}
        with self.engine.begin() as connection:
            return connection.scalar(sa.insert(Incident).values(values).returning(Incident.id))

    def close(self, incident: int, *, after: timedelta = timedelta(minutes=14)) -> None:
        """Close an incident."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.update(Incident).where(Incident.id == incident).values(closed_at=Incident.opened_at + after)
            )

    def write(self, *titles: str) -> list[int]:
        """Write alerts as if they had been composed."""
        with self.engine.begin() as connection:
            return [
                connection.scalar(
                    sa.insert(Alert).values(kind="changes", title=title, body=f"About {title}.").returning(Alert.id)
                )
                for title in titles
            ]

    def alerts(self) -> list[sa.Row[Any]]:
        """Return all alerts, older first."""
        with self.engine.begin() as connection:
            return list(connection.execute(sa.select(Alert.__table__).order_by(Alert.id)))

    def untold(self) -> int:
        """Return the number of state changes that no alert contains."""
        with self.engine.begin() as connection:
            return connection.scalar(
                sa.select(sa.func.count()).select_from(AlertItem).where(AlertItem.alert_id.is_(None))
            )

    def later(self, hours: float) -> None:
        """Move the times of all alerts into the past."""
        passed = sa.func.make_interval(0, 0, 0, 0, 0, 0, hours * 3600)
        with self.engine.begin() as connection:
            connection.execute(
                sa.update(Alert).values(created_at=Alert.created_at - passed, next_try_at=Alert.next_try_at - passed)
            )


@dataclass
class Receiver:
    """An HTTP receiver of alerts; ``status`` is the status code of its responses."""

    port: int
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Return the titles of the accepted messages, in order."""
        return [message["title"] for message in self.messages]

    def url(self, credentials: str = "") -> str:
        """Return its URL in Apprise's format."""
        return f"json://{credentials}127.0.0.1:{self.port}/"


@contextmanager
def listening() -> Iterator[Receiver]:
    """Run a receiver of Apprise's plain JSON messages."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if receiver.status == 200:
                receiver.messages.append(message)
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(port=server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configure(monkeypatch: Any, *paths: str, conn_id: str = CONN_ID) -> None:
    """Put receivers into the Airflow Connection."""
    value = {"conn_type": "apprise", "extra": {"config": [{"path": path} for path in paths]}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))

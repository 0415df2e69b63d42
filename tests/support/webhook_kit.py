"""Helpers for tests of webhooks: an HTTP receiver that verifies each message as the specification says."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa
from standardwebhooks import Webhook

from gmail_warmup.alerts.webhooks.delivery import DeliveryPolicy
from gmail_warmup.alerts.webhooks.receivers import Receiver, build_receiver, register_receivers
from gmail_warmup.db.models import Mailbox, OAuthGrant

SECRET = "whsec_" + base64.b64encode(b"a secret of this test, 32 bytes.").decode()
CONN_ID = "support_desk"
POLICY = DeliveryPolicy(timeout=60, allow_private=True)


@dataclass
class Inbox:
    """An HTTP receiver.

    Attributes:
        answer: returns the status for a message and how often it came before; by default 204. With the status 0 it
            accepts the message, and closes the connection without an answer.
        seconds: how long it waits before it answers.
        messages: the accepted messages, in order: id and verified payload.
        attempts: how often each message came, by its id.
    """

    port: int
    secret: str = SECRET
    answer: Callable[[dict[str, Any], int], int] = lambda payload, before: 204
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    forged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """Return the accepted payloads."""
        return [payload for _, payload in self.messages]

    @property
    def types(self) -> list[str]:
        """Return the types of the accepted messages without their prefix."""
        return [payload["type"].removeprefix("mailbox.") for payload in self.payloads]

    def receiver(self, conn_id: str = CONN_ID, *, events: list[str] | None = None) -> Receiver:
        """Return it as a receiver of the product."""
        return build_receiver(conn_id, url=self.url, signing_secrets=[self.secret], events=events, allow_private=True)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Take a request over; return the status of the answer."""
        time.sleep(self.seconds)
        try:
            payload = Webhook(self.secret).verify(body, headers)
        except Exception:
            self.forged += 1
            return 401
        message_id = {name.lower(): value for name, value in headers.items()}["webhook-id"]
        with self.lock:
            before = self.attempts[message_id]
            self.attempts[message_id] += 1
        status = self.answer(payload, before)
        if status == 0 or 200 <= status < 300:
            self.messages.append((message_id, payload))
        return status


@contextmanager
def receiving() -> Iterator[Inbox]:
    """Run a receiver."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(size := int(self.headers["Content-Length"]))
            if len(body) < size:  # the sender was killed
                self.close_connection = True
                return
            status = inbox.take(body, dict(self.headers.items()))
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in inbox.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *args: object) -> None:
            """A client that was killed is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    inbox = Inbox(port=server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def add_mailbox(engine: sa.Engine, address: str, *, kind: str = "warmup", state: str = "active") -> int:
    """Add a mailbox with a grant; return its id."""
    with engine.begin() as connection:
        mailbox_id = connection.scalar(
            sa.insert(Mailbox).values(address=address, kind=kind, created_by="test").returning(Mailbox.id)
        )
        connection.execute(sa.insert(OAuthGrant).values(mailbox_id=mailbox_id, state=state, refreshed_at=sa.func.now()))
    return int(mailbox_id or 0)


def make_transition(engine: sa.Engine, mailbox_id: int, before: str, after: str, reason: str = "grant_refused") -> None:
    """Add a transition to the history of a grant."""
    statement = sa.text(
        "INSERT INTO gmail_warmup.grant_event (mailbox_id, actor, from_state, to_state, reason)"
        " VALUES (:mailbox_id, 'test', :before, :after, :reason)"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"mailbox_id": mailbox_id, "before": before, "after": after, "reason": reason})


def flag(engine: sa.Engine, mailbox_id: int, reason: str = "expired_or_revoked") -> None:
    make_transition(engine, mailbox_id, "active", "needs_reauth", reason)


def recover(engine: sa.Engine, mailbox_id: int) -> None:
    make_transition(engine, mailbox_id, "needs_reauth", "active", "consent")


def pass_time(engine: sa.Engine, **interval: float) -> None:
    """Move the times of all deliveries and events into the past."""
    past = ", ".join(f"{name} => {value}" for name, value in interval.items())
    with engine.begin() as connection:
        for table, columns in (
            ("webhook_delivery", ("created_at", "next_try_at", "sent_at", "given_up_at")),
            ("webhook_event", ("at",)),
        ):
            changes = ", ".join(f"{column} = {column} - make_interval({past})" for column in columns)
            connection.exec_driver_sql(f"UPDATE gmail_warmup.{table} SET {changes}")


def register(engine: sa.Engine, *receivers: Receiver) -> None:
    register_receivers(engine, receivers)


def fetch(engine: sa.Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def to_connection(inbox: Inbox, **extra: Any) -> str:
    """Return an Airflow Connection of a receiver, as JSON."""
    return json.dumps(
        {"conn_type": "gmail_webhook", "host": inbox.url, "password": inbox.secret, "extra": extra or None}
    )

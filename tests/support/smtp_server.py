"""A mail server for tests: it accepts mails over SMTP and keeps them, or refuses them."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any


@dataclass
class MailServer:
    """The running server.

    Attributes:
        refusal: the answer to a recipient; empty to accept every one.
        drops: whether the connection ends after a mail was stored and before the answer.
    """

    port: int = 0
    refusal: str = ""
    drops: bool = False
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        """Return the recipients of the accepted mails, in order."""
        return [str(mail["To"]) for mail in self.mails]

    def connection(self, **extra: Any) -> str:
        """Return an Airflow Connection to it, as the value of a variable of the environment."""
        options = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"} | extra
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": options})


@contextmanager
def receiving_mail() -> Iterator[MailServer]:
    """Run a mail server."""
    found = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say("220 mail.example.com")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"RCPT" and found.refusal:
                    self.say(found.refusal)
                elif verb == b"DATA":
                    self.say("354 go on")
                    found.mails.append(self.read_mail())
                    if found.drops:
                        return
                    self.say("250 accepted")
                elif verb == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def read_mail(self) -> EmailMessage:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            return message_from_bytes(b"".join(lines), policy=default)  # type: ignore[return-value]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()

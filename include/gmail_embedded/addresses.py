"""Where the services of a compose file are when they are processes of one machine.

In containers each service has a name and all ports to itself; here they share `127.0.0.1`, so each port that the file
names gets a free one in its place, the same wherever it is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gmail_embedded import ports

_PORT_OPTIONS = ("-p", "--port")
_PORT_IN_TEXT = re.compile(r"(?<=\s-p )\d+\b|(?<=\s--port )\d+\b")


class Addresses:
    """The ports that were given so far.

    Args:
        services: the names by which services address each other.
    """

    def __init__(self, services: Iterable[str]) -> None:
        names = "|".join(re.escape(name) for name in sorted(services, key=len, reverse=True))
        self._elsewhere = re.compile(rf"(?<![\w.-])({names}):(\d+)\b")
        self._own = re.compile(rf"(?<![\w.-])(localhost|{re.escape(ports.LOCAL)}):(\d+)\b")
        self._given: dict[tuple[str, int], int] = {}

    def publish(self, service: str, port: int, outside: int) -> None:
        """Set which port of this machine a service's port is."""
        self._given[service, port] = outside

    def port(self, service: str, port: int) -> int:
        """Return the port of this machine in place of a service's; a free one when it is asked for first."""
        if (service, port) not in self._given:
            free = ports.claim(None, purpose=service, asked_by="")
            while free in self._given.values():  # nobody listens on it yet, so it may be offered twice
                free = ports.claim(None, purpose=service, asked_by="")
            self._given[service, port] = free
        return self._given[service, port]

    def rewritten(self, text: str) -> str:
        """Return a text in which `service:port` is an address of this machine."""
        return self._elsewhere.sub(lambda found: f"{ports.LOCAL}:{self.port(found[1], int(found[2]))}", text)

    def command(self, service: str, argv: Sequence[str]) -> list[str]:
        """Return a command of a service, its own ports rewritten too: `localhost:8080` and `--port 8080`."""
        words = []
        for before, word in zip(("", *argv), argv, strict=False):
            if before in _PORT_OPTIONS and word.isdecimal():
                words.append(str(self.port(service, int(word))))
                continue
            text = self._own.sub(lambda found: f"{ports.LOCAL}:{self.port(service, int(found[2]))}", word)
            text = _PORT_IN_TEXT.sub(lambda found: str(self.port(service, int(found[0]))), text)
            words.append(self.rewritten(text))
        return words

"""Replace the addresses of a compose file by addresses of this machine.

In containers each service has its own host name and all ports; here the services share `127.0.0.1`, so each port of the
file is replaced by a free one, the same one everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gmail_embedded import ports

_PORT_OPTIONS = ("-p", "--port")
_PORT_IN_TEXT = re.compile(r"(?<=\s-p )\d+\b|(?<=\s--port )\d+\b")


class Addresses:
    """The local port of each service's port.

    Args:
        services: the host names of the services.
    """

    def __init__(self, services: Iterable[str]) -> None:
        names = "|".join(re.escape(name) for name in sorted(services, key=len, reverse=True))
        self._other_services = re.compile(rf"(?<![\w.-])({names}):(\d+)\b")
        self._this_service = re.compile(rf"(?<![\w.-])(localhost|{re.escape(ports.LOCAL)}):(\d+)\b")
        self._ports: dict[tuple[str, int], int] = {}

    def set_port(self, service: str, port: int, outside: int) -> None:
        """Set the local port of a service's port."""
        self._ports[service, port] = outside

    def get_port(self, service: str, port: int) -> int:
        """Return the local port of a service's port; the first call chooses a free one."""
        if (service, port) not in self._ports:
            free = ports.choose_port(None, purpose=service, source="")
            while free in self._ports.values():  # nothing listens on it yet, so it may be returned twice
                free = ports.choose_port(None, purpose=service, source="")
            self._ports[service, port] = free
        return self._ports[service, port]

    def rewrite(self, text: str) -> str:
        """Replace each `service:port` in a text by an address of this machine."""
        return self._other_services.sub(lambda found: f"{ports.LOCAL}:{self.get_port(found[1], int(found[2]))}", text)

    def rewrite_command(self, service: str, argv: Sequence[str]) -> list[str]:
        """Rewrite a service's command, including its own ports: `localhost:8080` and `--port 8080`."""
        words = []
        for before, word in zip(("", *argv), argv, strict=False):
            if before in _PORT_OPTIONS and word.isdecimal():
                words.append(str(self.get_port(service, int(word))))
                continue
            text = self._this_service.sub(lambda found: f"{ports.LOCAL}:{self.get_port(service, int(found[2]))}", word)
            text = _PORT_IN_TEXT.sub(lambda found: str(self.get_port(service, int(found[0]))), text)
            words.append(self.rewrite(text))
        return words

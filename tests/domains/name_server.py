"""A DNS server of the test's own: its answers by name, over UDP and TCP on one free port of this machine."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

HOST = "127.0.0.1"

SERVFAIL, REFUSED, SILENCE = "servfail", "refused", "silence"
"""Answers of a server in trouble; silence is none at all."""


class NameServer:
    """A name that is not in its zone does not exist.

    Attributes:
        asked: (transport, name) of each question, in order.
    """

    def __init__(self) -> None:
        self._udp, self._tcp = _pair()
        self.port = self._udp.getsockname()[1]
        self._zone: dict[str, object] = {}
        self._other: dict[str, dict[str, tuple[str, ...]]] = {}
        self.asked: list[tuple[str, str]] = []

    def txt(self, name: str, *texts: str | Sequence[str]) -> None:
        """Let a name have these TXT records, and no others; one that is a list has these strings."""
        self._zone[name] = [_strings(text) if isinstance(text, str) else list(text) for text in texts]

    def add(self, name: str, record_type: str, *values: str) -> None:
        """Let a name have these records of a type other than TXT."""
        self._other.setdefault(name, {})[record_type] = values

    def alias(self, name: str, target: str) -> None:
        """Let a name be another name for a target (CNAME)."""
        self._zone[name] = target

    def trouble(self, name: str, how: str) -> None:
        """Let the server fail at a name."""
        self._zone[name] = (how,)

    def serve_udp(self) -> None:
        while True:
            try:
                data, sender = self._udp.recvfrom(4096)
            except OSError:
                return
            if not data:  # shut down
                return
            answer = self._answer("udp", data)
            if answer is not None:
                wire = answer.to_wire()
                if len(wire) > 512:  # what a client without EDNS takes; the rest is asked for by TCP
                    short = dns.message.make_response(dns.message.from_wire(data))
                    short.flags |= dns.flags.TC
                    wire = short.to_wire()
                self._udp.sendto(wire, sender)

    def serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                answer = self._answer("tcp", connection.recv(size, socket.MSG_WAITALL))
                if answer is not None:
                    wire = answer.to_wire(max_size=65535)
                    connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _answer(self, transport: str, data: bytes) -> dns.message.Message | None:
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append((transport, name))
        answer = dns.message.make_response(question)
        found = self._zone.get(name)
        if isinstance(found, str):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{found}."))
            name, found = found, self._zone.get(found)
        if isinstance(found, tuple):
            if found[0] == SILENCE:
                return None
            answer.set_rcode(dns.rcode.SERVFAIL if found[0] == SERVFAIL else dns.rcode.REFUSED)
        elif question.question[0].rdtype != dns.rdatatype.TXT:
            self._answer_other(answer, name)
        elif found is None and name not in self._other:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found:
            texts = [" ".join(f'"{part}"' for part in record) for record in found]  # type: ignore[attr-defined]
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *texts))
        return answer

    def _answer_other(self, answer: dns.message.Message, name: str) -> None:
        record_type = dns.rdatatype.to_text(answer.question[0].rdtype)
        values = self._other.get(name, {}).get(record_type, ())
        if values:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", record_type, *values))
        elif name not in self._other and name not in self._zone:
            answer.set_rcode(dns.rcode.NXDOMAIN)

    def close(self) -> None:
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def _strings(text: str) -> list[str]:
    """Cut a text into strings of 255 characters, the longest that a record holds."""
    return [text[start : start + 255] for start in range(0, len(text), 255)] or [""]


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on one port that both are free on."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((HOST, 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp


@contextmanager
def serving() -> Iterator[NameServer]:
    """Run a server with an empty zone."""
    server = NameServer()
    threads = [threading.Thread(target=target, daemon=True) for target in (server.serve_udp, server.serve_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        server.close()
        for thread in threads:
            thread.join(5)

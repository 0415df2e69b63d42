"""The HTTP response type of all edges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value."""

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response that is not yet written."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_json(cls, status: int, value: object, *headers: tuple[str, str]) -> Answer:
        """Build a JSON response."""
        return cls(status, json.dumps(value).encode(), JSON_TYPE, headers)

    @classmethod
    def of_html(cls, status: int, page: str, *headers: tuple[str, str]) -> Answer:
        """Build an HTML response."""
        return cls(status, page.encode(), HTML_TYPE, headers)

    def raw_headers(self, content_length: int | None = None) -> list[tuple[bytes, bytes]]:
        """Return the headers in ASGI's format; a fault can override `content_length`."""
        length = len(self.body) if content_length is None else content_length
        rows = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        if self.content_type is not None:
            rows.append((b"content-type", self.content_type.encode("latin-1")))
        if self.status != 204:
            rows.append((b"content-length", str(length).encode()))
        return rows

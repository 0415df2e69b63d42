"""Makes inputs: valid ones, changed a little or much. The same seed gives the same inputs, on every machine."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

_NASTY = (
    b"\0", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"@",
    b"\t", b"=?utf-8?q?=0D=0A?=", b"=?utf-8?b?//8=?=", b"=?x?q?a?=", b"%00", b"%0d%0a", b"%s%n", b"{}", b"{{7*7}}",
    b"<script>", b"' OR 1=1 --", b"\\u0000", b"../" * 8,
    b"=cmd|'/c calc'!A0", b'"', b"'", b",", b";", b":", b"0", b"-1", b"9" * 25,
    b"1e999", b"NaN", b"Infinity", b"null", b"true", b"[", b"]", b"[" * 3000, b"{", b"}", b"<" * 50, b"A" * 1200,
    "\u202e\u0000\ud7ff\U0001f9ea".encode(),
    "\u00b2\u0663".encode(), b"Content-Type: multipart/mixed; boundary=", b"--b", b"--b--", b"\x80abc", b" " * 200,
)  # fmt: skip
"""Pieces that parsers stumble over."""
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 2**63, 10**400, 1.5, math.inf, math.nan, "", "x", " ", "\0", "\ud800", "9" * 5000, [],
    {}, [None], [1], ["a", 2], {"": None}, {"a": {"b": [1]}}, "2030-13-45", "0001-01-01T00:00:00+23:59", "a" * 3000,
)  # fmt: skip
"""Values of JSON where another kind is expected."""


class Mutator:
    """Draws inputs out of examples.

    Args:
        source: where chance comes from.
        examples: valid inputs, from which parts are taken as well.
    """

    def __init__(self, source: random.Random, examples: Sequence[bytes]) -> None:
        self._source, self._examples = source, examples

    def bytes(self, *, most: int = 20_000) -> bytes:
        """Return one input."""
        source = self._source
        data = bytearray(source.choice(self._examples))
        for _ in range(int(source.expovariate(0.25))):
            self._change(data)
        return bytes(data[:most])

    def json(self) -> bytes:
        """Return an example that is JSON with one of its values changed for another kind of value; or any input."""
        source = self._source
        try:
            found = json.loads(source.choice(self._examples))
        except ValueError:
            return self.bytes()
        return json.dumps(self._changed(found)).encode()

    def _changed(self, value: Any) -> Any:
        source = self._source
        inside = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if not inside or source.random() < 0.2:
            return source.choice(_VALUES)
        key = source.choice(inside)
        copy = value.copy()
        copy[key] = self._changed(value[key])
        return copy

    def text(self, *, most: int = 5_000) -> str:
        """Return one input as text; what is no UTF-8 becomes lone surrogates now and then."""
        errors = "surrogateescape" if self._source.random() < 0.1 else "replace"
        return self.bytes(most=most).decode("utf-8", errors)

    def _change(self, data: bytearray) -> None:
        source = self._source
        at, end = sorted(source.randrange(len(data) + 1) for _ in range(2))
        match source.randrange(7):
            case 0:
                data[at:at] = source.choice(_NASTY)
            case 1:
                data[at:end] = source.choice(_NASTY)
            case 2:
                del data[at : min(end, at + 40)]
            case 3:
                data[at:at] = data[at:end][:200] * source.randrange(1, 6)
            case 4:
                data[at:at] = source.randbytes(source.randrange(1, 9))
            case 5 if data:
                data[min(at, len(data) - 1)] ^= 1 << source.randrange(8)
            case _:
                other = source.choice(self._examples)
                begin = source.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + source.randrange(60)]

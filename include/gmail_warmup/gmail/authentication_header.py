"""Parse the header Authentication-Results (RFC 8601): comments, quoted strings, white space and versions.

A sender can influence the header, so no value makes the parser fail: what does not follow the syntax is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmail_warmup.core.enums import AuthenticationResult

_MAX_LENGTH = 16_384
"""Characters that are read; the headers that Google writes have fewer than a thousand."""

# White space may be around the dot and the slash of a name. An unquoted value ends at white space: Google's contain
# characters that RFC 8601 allows in a quoted string only, such as those of base64.
_PAIR = re.compile(
    r'(?<![\w-])([\w-]++)\s*+(?:/\s*+\d++\s*+)?(?:\.\s*+([\w-]++)\s*+)?=\s*+((?:"(?:[^"\\]|\\.)*+(?:"|\Z)|[^\s"])*+)',
    re.ASCII | re.DOTALL,
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_OLD_RESULTS = {"hardfail": AuthenticationResult.FAIL}
"""Names of earlier RFCs."""


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """The result of one method for one identity.

    Attributes:
        method: in lower case, without its version.
        properties: such as ``header.i``; the names are in lower case.
    """

    method: str
    result: AuthenticationResult
    properties: Mapping[str, str]

    def get_domain(self, *names: str) -> str:
        """Return the domain of the first of these properties that has one, as it is written, or an empty text."""
        values = (self.properties.get(name, "").rpartition("@")[2].strip(" \t<>.") for name in names)
        return next(filter(None, values), "")


@dataclass(frozen=True, kw_only=True)
class AuthenticationHeader:
    """The content of one header; without results if the server checked nothing.

    Attributes:
        authserv_id: names the server that checked the mail, in lower case.
    """

    authserv_id: str
    results: Sequence[MethodResult]


def parse_authentication_header(value: str) -> AuthenticationHeader:
    """Parse the value of a header, which may be folded."""
    server, *statements = _split_statements(value[:_MAX_LENGTH])
    words = _unquote(server).split()
    results = [result for result in map(_parse_statement, statements) if result]
    return AuthenticationHeader(authserv_id=words[0].lower().rstrip(".") if words else "", results=results)


def _split_statements(value: str) -> list[str]:
    """Split at the semicolons outside of quoted strings, and replace comments, which may be nested, with a space."""
    statements, depth, is_quoted, is_escaped = [""], 0, False, False
    for char in value:
        is_text = is_escaped or is_quoted
        if is_escaped:
            is_escaped = False
        elif char == "\\":
            is_escaped = is_quoted or depth > 0
        elif char == '"' and not depth:
            is_quoted = not is_quoted
        elif char == "(" and not is_text:
            depth += 1
            statements[-1] += " "
        elif char == ")" and depth:
            depth -= 1
            continue
        elif char == ";" and not is_text and not depth:
            statements.append("")
            continue
        if not depth:
            statements[-1] += char
    return statements


def _parse_statement(text: str) -> MethodResult | None:
    first, *others = _PAIR.findall(text) or [("", "", "")]
    method, no_property, result = first
    if not method or no_property:
        return None
    properties: dict[str, str] = {}
    for group, name, value in others:
        if name:
            properties.setdefault(f"{group}.{name}".lower(), _unquote(value))
    return MethodResult(method=method.lower(), result=_parse_result(_unquote(result)), properties=properties)


def _parse_result(text: str) -> AuthenticationResult:
    name = text.lower()
    try:
        return _OLD_RESULTS.get(name) or AuthenticationResult(name)
    except ValueError:
        return AuthenticationResult.UNKNOWN


def _unquote(text: str) -> str:
    return _QUOTED.sub(lambda match: _ESCAPE.sub(r"\1", match[1]), text)

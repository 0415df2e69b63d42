"""The shapes of documents with grants: one table of detectors and readers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.tokens import fields

MAX_GRANTS = 10_000
"""Maximum number of grants in one document."""
_MAX_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class FoundToken:
    """One grant of a document, or the reason why a part of the document is not a grant."""

    place: str = ""
    """Where it is in a document with several grants, such as the name of a section."""
    key: str = ""
    """The address that the document gives this part as a name."""
    values: Mapping[str, Any] | None = None
    problem: str = ""


_Reader = Callable[[Any, int], Iterator[FoundToken]]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A shape of documents, and how the grants in it are read."""

    name: str
    is_shape: Callable[[Any], bool]
    read: _Reader


def find_tokens(document: Any) -> list[FoundToken]:
    """Return the grants of a document.

    Raises:
        InvalidInputError: if it contains none, naming what it is.
    """
    found: list[FoundToken] = []
    for token in _iter_tokens(document, 0):
        found.append(token)
        if len(found) > MAX_GRANTS:
            raise InvalidInputError(f"contains more than {MAX_GRANTS:,} grants; split it.")
    if not found:
        raise InvalidInputError("contains no grant.")
    return found


def _iter_tokens(document: Any, depth: int) -> Iterator[FoundToken]:
    shape = next((shape for shape in SHAPES if shape.is_shape(document)), None)
    if shape is None or depth > _MAX_DEPTH:
        raise InvalidInputError("contains no authorized_user object.")
    yield from shape.read(document, depth + 1)


def _refuse(problem: str) -> _Reader:
    def read(document: Any, depth: int) -> Iterator[FoundToken]:
        raise InvalidInputError(problem)

    return read


def _has_type(*names: str) -> Callable[[Any], bool]:
    return lambda document: isinstance(document, Mapping) and document.get("type") in names


def _is_client(document: Any) -> bool:
    return isinstance(document, Mapping) and any(isinstance(document.get(key), Mapping) for key in ("installed", "web"))


def _is_grant(document: Any) -> bool:
    return (
        isinstance(document, Mapping) and fields.has_fields(document) and not isinstance(_get_inner(document), Mapping)
    )


def _read_grant(document: Any, depth: int) -> Iterator[FoundToken]:
    yield FoundToken(values=document)


_WRAPPERS = ("tokens", "token", "credential", "credentials", "oauth_token", "authorized_user")


def _get_inner(document: Mapping[str, Any]) -> Any:
    """Return the grant that an object wraps: an object, or its JSON text as in rclone's configuration."""
    for name in _WRAPPERS:
        inner = document.get(name)
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                raise InvalidInputError(f"the {name} is not JSON.") from None
        if isinstance(inner, Mapping) and fields.has_fields(inner):
            return inner
    return None


def _is_wrapped(document: Any) -> bool:
    return isinstance(document, Mapping) and _get_inner(document) is not None


def _read_wrapped(document: Any, depth: int) -> Iterator[FoundToken]:
    """Read the inner grant; account, client and scopes may be beside it."""
    around = {name: value for name, value in document.items() if name not in _WRAPPERS}
    for token in _iter_tokens(_get_inner(document), depth):
        yield FoundToken(place=token.place, key=token.key, values=around | dict(token.values or {}))


def _is_stored_list(document: Any) -> bool:
    return isinstance(document, Mapping) and _get_list(document) is not None


def _get_list(document: Mapping[str, Any]) -> Any:
    lists = (document.get(name) for name in ("accounts", "users", "data", "credentials", "tokens", "mailboxes"))
    return next((found for found in lists if isinstance(found, list | Mapping) and found), None)


def _read_stored_list(document: Any, depth: int) -> Iterator[FoundToken]:
    yield from _iter_tokens(_get_list(document), depth)


def _is_list(document: Any) -> bool:
    return isinstance(document, list) and bool(document) and all(isinstance(part, Mapping) for part in document)


def _read_list(document: Any, depth: int) -> Iterator[FoundToken]:
    for number, part in enumerate(document, 1):
        yield from _read_part(f"entry {number}", "", part, depth)


def _is_keyed(document: Any) -> bool:
    return isinstance(document, Mapping) and bool(document) and all(isinstance(p, Mapping) for p in document.values())


def _read_keyed(document: Any, depth: int) -> Iterator[FoundToken]:
    """Read an object by address, or the sections of a configuration; a key that is no address may be a secret."""
    for number, (key, part) in enumerate(document.items(), 1):
        yield from _read_part(f"entry {number}", str(key) if "@" in str(key) else "", part, depth)


def _read_part(place: str, key: str, part: Any, depth: int) -> Iterator[FoundToken]:
    """Read one part; a part that cannot be read stops none of the others."""
    try:
        if isinstance(part, Mapping) and isinstance(part.get("key"), Mapping):  # oauth2client's multistore_file
            part = {name: value for name, value in part["key"].items() if name == "account"} | dict(part)
        for token in _iter_tokens(part, depth):
            yield FoundToken(
                place=f"{place}, {token.place}" if token.place else place,
                key=token.key or key,
                values=token.values,
                problem=token.problem,
            )
    except InvalidInputError as error:
        yield FoundToken(place=place, key=key, problem=str(error))


SHAPES = (
    Shape(
        name="client_secret.json: an OAuth client",
        is_shape=_is_client,
        read=_refuse("is an OAuth client, not a grant; it goes into GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET."),
    ),
    Shape(
        name="key of a service account",
        is_shape=_has_type("service_account"),
        read=_refuse("is the key of a service account; see docs/delegation.md."),
    ),
    Shape(
        name="workload identity and other credentials of Google Cloud",
        is_shape=_has_type(
            "external_account", "external_account_authorized_user", "impersonated_service_account",
            "gdch_service_account",
        ),
        read=_refuse("contains credentials of Google Cloud, not a grant of a mailbox; the owner has to sign in."),
    ),
    Shape(name="a grant beside its account: Node, rclone, multistore_file", is_shape=_is_wrapped, read=_read_wrapped),
    Shape(name="one grant: Python, Node, Go, PHP, .NET, Java, GAM, gcloud", is_shape=_is_grant, read=_read_grant),
    Shape(name="a list of accounts with a name", is_shape=_is_stored_list, read=_read_stored_list),
    Shape(name="a list of grants", is_shape=_is_list, read=_read_list),
    Shape(name="grants by address, sections of rclone.conf", is_shape=_is_keyed, read=_read_keyed),
)  # fmt: skip
"""The first shape that matches is read."""

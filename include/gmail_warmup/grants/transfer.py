"""Taking mailboxes over from elsewhere: CSV of settings, or JSON with google-auth's ``authorized_user`` tokens.

Everything is checked before anything is written, and everything is written in one transaction.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.errors import InvalidInputError
from gmail_warmup.grants.store import Actor, GrantStore
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings, normal_address, parse_settings

SETTINGS = frozenset(MailboxSettings.model_fields)
TOKEN_KEYS = ("oauth_token", "grant")


@dataclass(frozen=True, kw_only=True)
class IncomingGrant:
    """A grant as google-auth writes it; an access token without an expiry is not taken over."""

    refresh_token: str = field(repr=False)
    access_token: str | None = field(repr=False)
    expires_at: datetime | None
    client_id: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One mailbox to take over."""

    address: str
    settings: MailboxSettings
    grant: IncomingGrant | None


def parse(text: str) -> list[Incoming]:
    """Read CSV (a header line, one mailbox a line) or JSON (a list of objects).

    Raises:
        InvalidInputError: listing every bad entry with its line or number and the rule it breaks.
    """
    rows, name = _rows(text)
    incoming, problems, seen = [], [], set()
    for number, row in rows:
        try:
            found = _incoming(row)
            if found.address in seen:
                raise InvalidInputError(f"{found.address} stands here twice; keep one.")
            seen.add(found.address)
            incoming.append(found)
        except InvalidInputError as error:
            problems.append(f"{name} {number}: {error}")
    if problems:
        count = f"{len(problems)} of {len(problems) + len(incoming)}"
        raise InvalidInputError(f"{count} cannot be imported, so nothing was.\n" + "\n".join(problems))
    return incoming


def take_over(store: GrantStore, incoming: list[Incoming], *, actor: Actor) -> None:
    """Add or update all mailboxes, with their grants where they have one, in one transaction."""
    with store.engine.begin() as connection:
        for item in incoming:
            _take_over(connection, store, item, actor)


def _take_over(connection: sa.Connection, store: GrantStore, item: Incoming, actor: Actor) -> None:
    mailbox_id = repository.add_or_update(connection, item.address, item.settings, actor=actor.name)
    if item.grant:
        store.adopt(
            connection,
            mailbox_id,
            refresh_token=item.grant.refresh_token,
            access_token=item.grant.access_token,
            access_expires_at=item.grant.expires_at,
            client_id=item.grant.client_id,
            scopes=item.grant.scopes,
            actor=actor,
        )


def _rows(text: str) -> tuple[list[tuple[int, Mapping[str, Any]]], str]:
    if not text.strip():
        raise InvalidInputError("The file is empty. Give CSV with a header line, or a JSON list.")
    if text.lstrip()[0] in "[{":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"The file is not JSON: {error}.") from None
        listed = found if isinstance(found, list) else [found]
        if not all(isinstance(row, dict) for row in listed):
            raise InvalidInputError("The JSON must be a list of objects, one for each mailbox.")
        return list(enumerate(listed, 1)), "entry"
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if "address" not in (reader.fieldnames or ()):
        raise InvalidInputError("The CSV needs a header line with the columns address and kind.")
    return [(reader.line_num, {k: v for k, v in row.items() if v not in (None, "")}) for row in reader], "line"


def _incoming(row: Mapping[str, Any]) -> Incoming:
    unknown = row.keys() - SETTINGS - {"address", *TOKEN_KEYS}
    if unknown:
        known = ", ".join(("address", *sorted(SETTINGS)))
        raise InvalidInputError(f"unknown column {', '.join(sorted(map(str, unknown)))}; known are {known}.")
    address = normal_address(str(row.get("address", "")))
    settings = parse_settings({key: row[key] for key in SETTINGS & row.keys()}, address=address)
    token = next((row[key] for key in TOKEN_KEYS if row.get(key)), None)
    return Incoming(address=address, settings=settings, grant=_grant(address, token) if token else None)


def _grant(address: str, token: Any) -> IncomingGrant:
    """Read an ``authorized_user`` object, or the text of one, as a database column holds it."""
    if isinstance(token, str):
        try:
            token = json.loads(token)
        except ValueError:
            raise InvalidInputError(
                f"{address}: the token is not JSON; it must be google-auth's authorized_user object."
            ) from None
    if not isinstance(token, dict) or not isinstance(token.get("refresh_token"), str) or not token["refresh_token"]:
        raise InvalidInputError(f"{address}: the token holds no refresh_token; sign in again instead of importing it.")
    scopes = token.get("scopes") or ()
    return IncomingGrant(
        refresh_token=token["refresh_token"],
        access_token=_text(token, "token") or _text(token, "access_token"),
        expires_at=_expiry(address, token.get("expiry")),
        client_id=_text(token, "client_id"),
        scopes=tuple(scopes.split() if isinstance(scopes, str) else map(str, scopes)),
    )


def _text(token: dict[str, Any], key: str) -> str | None:
    value = token.get(key)
    return value if isinstance(value, str) and value else None


def _expiry(address: str, value: Any) -> datetime | None:
    """Read google-auth's expiry, which is UTC whether it says so or not."""
    if value in (None, ""):
        return None
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidInputError(f"{address}: the expiry '{value}' is not an ISO 8601 time.") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)

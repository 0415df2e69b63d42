"""Mailboxes as files hold them: CSV of settings, or JSON that may hold their grants in google-auth's form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gmail_warmup.errors import InvalidInputError
from gmail_warmup.mailboxes.records import MailboxSettings, normal_address, parse_settings

SETTINGS = tuple(MailboxSettings.model_fields)
PAUSE = "pause_reason"
COLUMNS = ("address", *SETTINGS, PAUSE)
"""The columns of the CSV."""
TOKEN_KEYS = ("oauth_token", "grant")


@dataclass(frozen=True, kw_only=True)
class IncomingGrant:
    """A grant as google-auth writes it; an access token without an expiry is not taken over.

    What google-auth does not keep, the end that Google announced and the time of the consent, is in a backup of ours.
    """

    refresh_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    refresh_expires_at: datetime | None = None
    granted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One mailbox to take over; with a reason to pause it if it is to be paused."""

    address: str
    settings: MailboxSettings
    grant: IncomingGrant | None
    pause_reason: str | None = None


def parse(text: str) -> list[Incoming]:
    """Read CSV (a header line, one mailbox a line) or JSON (a list of objects).

    Raises:
        InvalidInputError: listing every bad entry with its line or number and the rule it breaks.
    """
    if not text.strip():
        raise InvalidInputError("The file is empty. Give CSV with a header line, or a JSON list.")
    if text.lstrip()[0] in "[{":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"The file is not JSON: {error}.") from None
        return parse_rows(found)
    return _checked(_lines(text), "line")


def parse_rows(found: Any) -> list[Incoming]:
    """Read what a JSON document holds: a list of objects, or one object.

    Raises:
        InvalidInputError: listing every bad entry with its number and the rule it breaks.
    """
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in listed):
        raise InvalidInputError("The JSON must be a list of objects, one for each mailbox.")
    return _checked(enumerate(listed, 1), "entry")


def _lines(text: str) -> list[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if "address" not in (reader.fieldnames or ()):
        raise InvalidInputError("The CSV needs a header line with the columns address and kind.")
    return [(reader.line_num, {k: v for k, v in row.items() if v not in (None, "")}) for row in reader]


def _checked(rows: Iterable[tuple[int, Mapping[str, Any]]], name: str) -> list[Incoming]:
    incoming: dict[str, Incoming] = {}
    problems = []
    for number, row in rows:
        try:
            found = _incoming(row)
            if found.address in incoming:
                raise InvalidInputError(f"{found.address} stands here twice; keep one.")
            incoming[found.address] = found
        except InvalidInputError as error:
            problems.append(f"{name} {number}: {error}")
    if problems:
        count = f"{len(problems)} of {len(problems) + len(incoming)}"
        raise InvalidInputError(f"{count} cannot be imported, so nothing was.\n" + "\n".join(problems))
    return list(incoming.values())


def _incoming(row: Mapping[str, Any]) -> Incoming:
    unknown = row.keys() - {*COLUMNS, *TOKEN_KEYS}
    if unknown:
        raise InvalidInputError(
            f"unknown column {', '.join(sorted(map(str, unknown)))}; known are {', '.join(COLUMNS)}."
        )
    address = normal_address(str(row.get("address", "")))
    settings = parse_settings({key: row[key] for key in SETTINGS if key in row}, address=address)
    token = next((row[key] for key in TOKEN_KEYS if row.get(key)), None)
    return Incoming(
        address=address,
        settings=settings,
        grant=_grant(address, token) if token else None,
        pause_reason=_pause_reason(address, row.get(PAUSE)),
    )


def _pause_reason(address: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= 500):
        return (value or "").strip() or None
    raise InvalidInputError(f"{address}: {PAUSE} must be a text of 500 characters at most.")


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
        expires_at=_time(address, token, "expiry"),
        client_id=_text(token, "client_id"),
        scopes=tuple(scopes.split() if isinstance(scopes, str) else map(str, scopes)),
        refresh_expires_at=_time(address, token, "refresh_expires_at"),
        granted_at=_time(address, token, "granted_at"),
    )


def _text(token: dict[str, Any], key: str) -> str | None:
    value = token.get(key)
    return value if isinstance(value, str) and value else None


def _time(address: str, token: dict[str, Any], key: str) -> datetime | None:
    """Read a time; google-auth's expiry is UTC whether it says so or not."""
    value = token.get(key)
    if value in (None, ""):
        return None
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidInputError(f"{address}: the {key} '{value}' is not an ISO 8601 time.") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)

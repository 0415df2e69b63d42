"""Moving in from another system: what can be taken is taken, in one transaction; the rest is named, with why.

An import of a file is all or none, because whoever prepared the file meant all of it. Here nobody prepared anything:
the other system holds what it holds, and its broken accounts must not keep the others from coming.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import GrantState, MailboxAuth
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import bulk
from gmail_warmup.mailboxes.records import (
    MailboxRecord,
    MailboxSettings,
    normalize_address,
    shorten_text,
    validate_mailbox_settings,
)
from gmail_warmup.oauth.token_endpoint import SUFFICIENT_SCOPES
from gmail_warmup.transfer.authorized_user import ImportedGrant, parse_authorized_user
from gmail_warmup.transfer.parser import ParsedMailbox


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What another system knows about one mailbox, as it stands there."""

    source: str
    """Where it stands: a row or a file."""
    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: Any = field(default=None, repr=False)
    """google-auth's ``authorized_user`` object or its text; None where there is none."""
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Something that is not taken, and why; never with a part of a token."""

    source: str
    address: str
    why: str


@dataclass(kw_only=True)
class MigrationPlan:
    """What a move does: mailboxes to take, those of them whose grant stays behind, and what stays behind as a whole."""

    mailboxes: list[ParsedMailbox] = field(default_factory=list)
    to_sign_in: list[Skipped] = field(default_factory=list)
    left: list[Skipped] = field(default_factory=list)


def plan_migration(
    connection: sa.Connection, offers: Iterable[Candidate], *, client_id: str, left: Iterable[Skipped] = ()
) -> MigrationPlan:
    """Decide about every offer; nothing is written.

    A mailbox that is here already keeps its settings, and its grant if that works.

    Args:
        client_id: the OAuth client here; a grant belongs to the one that it was given to.
        left: what could not even be offered.
    """
    made = MigrationPlan(left=list(left))
    offered = list(_drop_duplicates(offers, made))
    known = bulk.find_existing(connection, [address for address, _ in offered], lock=False)
    for number, (address, offer) in enumerate(offered, 1):
        try:
            made.mailboxes.append(_to_mailbox(number, address, offer, known.get(address), client_id, made))
        except InvalidInputError as error:
            made.left.append(_to_skipped(offer, address, str(error).removeprefix(f"{address}: ")))
    return made


def _drop_duplicates(offers: Iterable[Candidate], made: MigrationPlan) -> Iterable[tuple[str, Candidate]]:
    """Yield each mailbox once, with its normal address."""
    first: dict[str, str] = {}
    for offer in offers:
        try:
            address = normalize_address(offer.address)
        except InvalidInputError as error:
            made.left.append(_to_skipped(offer, shorten_text(offer.address), str(error)))
            continue
        if address in first:
            made.left.append(_to_skipped(offer, address, f"stands there twice; {first[address]} is taken."))
        else:
            first[address] = offer.source
            yield address, offer


def _to_mailbox(
    number: int, address: str, offer: Candidate, known: MailboxRecord | None, client_id: str, made: MigrationPlan
) -> ParsedMailbox:
    """Return a mailbox as it is taken.

    Raises:
        InvalidInputError: saying why it stays behind.
    """
    settings = _require_flagged(known) if known else validate_mailbox_settings(dict(offer.settings), address=address)
    grant = None
    try:
        grant = _read_grant(offer.token, client_id)
    except InvalidInputError as error:
        if known:
            raise
        made.to_sign_in.append(_to_skipped(offer, address, str(error)))
    pause = None if known else offer.pause_reason
    return ParsedMailbox(number=number, address=address, settings=settings, grant=grant, pause_reason=pause)


def _require_flagged(known: MailboxRecord) -> MailboxSettings:
    """Return the settings that leave a mailbox as it is.

    Raises:
        InvalidInputError: if it needs no grant.
    """
    if known.auth is MailboxAuth.DELEGATED:
        raise InvalidInputError("is here already, and reached by a service account.")
    if known.state in (GrantState.ACTIVE, GrantState.SUSPECT):
        raise InvalidInputError("is here already, with a grant that works.")
    return MailboxSettings(kind=known.kind, auth=known.auth)


def _read_grant(token: Any, client_id: str) -> ImportedGrant:
    """Read a grant that can work here.

    Raises:
        InvalidInputError: saying why it cannot.
    """
    if token in (None, "", {}):
        raise InvalidInputError("there is no token; sign in again.")
    grant = parse_authorized_user(token)
    if grant.client_id and grant.client_id != client_id:
        raise InvalidInputError(
            "its grant was given to another OAuth client than the one of the Connection gmail_oauth_client, and works "
            "with that one alone; put that client into the Connection first, or sign in again."
        )
    if not _has_enough_scopes(grant.scopes):
        raise InvalidInputError("its grant lacks the Gmail permission gmail.modify; sign in again.")
    return grant


def _has_enough_scopes(scopes: Collection[str]) -> bool:
    """Tell whether the scopes serve; where none are noted, the first refresh tells."""
    return not scopes or bool(SUFFICIENT_SCOPES.intersection(scopes))


def _to_skipped(offer: Candidate, address: str, why: str) -> Skipped:
    return Skipped(source=offer.source, address=address, why=why)

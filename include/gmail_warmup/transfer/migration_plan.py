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
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings, normal_address, parse_settings, shortened
from gmail_warmup.oauth.token_endpoint import SCOPES_ENOUGH
from gmail_warmup.transfer.authorized_user import IncomingGrant, read_token
from gmail_warmup.transfer.parser import Incoming


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What another system knows about one mailbox, as it stands there."""

    source: str
    """Where it stands: a row or a file."""
    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: Any = field(default=None, repr=False)
    """google-auth's ``authorized_user`` object or its text; None where there is none."""
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something that is not taken, and why; never with a part of a token."""

    source: str
    address: str
    why: str


@dataclass(kw_only=True)
class Plan:
    """What a move does: mailboxes to take, those of them whose grant stays behind, and what stays behind as a whole."""

    mailboxes: list[Incoming] = field(default_factory=list)
    to_sign_in: list[Remark] = field(default_factory=list)
    left: list[Remark] = field(default_factory=list)


def plan(connection: sa.Connection, offers: Iterable[Offer], *, client_id: str, left: Iterable[Remark] = ()) -> Plan:
    """Decide about every offer; nothing is written.

    A mailbox that is here already keeps its settings, and its grant if that works.

    Args:
        client_id: the OAuth client here; a grant belongs to the one that it was given to.
        left: what could not even be offered.
    """
    made = Plan(left=list(left))
    offered = list(_distinct(offers, made))
    known = bulk.known(connection, [address for address, _ in offered], lock=False)
    for number, (address, offer) in enumerate(offered, 1):
        try:
            made.mailboxes.append(_taken(number, address, offer, known.get(address), client_id, made))
        except InvalidInputError as error:
            made.left.append(_remark(offer, address, str(error).removeprefix(f"{address}: ")))
    return made


def _distinct(offers: Iterable[Offer], made: Plan) -> Iterable[tuple[str, Offer]]:
    """Yield each mailbox once, with its normal address."""
    first: dict[str, str] = {}
    for offer in offers:
        try:
            address = normal_address(offer.address)
        except InvalidInputError as error:
            made.left.append(_remark(offer, shortened(offer.address), str(error)))
            continue
        if address in first:
            made.left.append(_remark(offer, address, f"stands there twice; {first[address]} is taken."))
        else:
            first[address] = offer.source
            yield address, offer


def _taken(
    number: int, address: str, offer: Offer, known: MailboxRecord | None, client_id: str, made: Plan
) -> Incoming:
    """Return a mailbox as it is taken.

    Raises:
        InvalidInputError: saying why it stays behind.
    """
    settings = _kept(known) if known else parse_settings(dict(offer.settings), address=address)
    grant = None
    try:
        grant = _grant(offer.token, client_id)
    except InvalidInputError as error:
        if known:
            raise
        made.to_sign_in.append(_remark(offer, address, str(error)))
    pause = None if known else offer.pause_reason
    return Incoming(number=number, address=address, settings=settings, grant=grant, pause_reason=pause)


def _kept(known: MailboxRecord) -> MailboxSettings:
    """Return the settings that leave a mailbox as it is.

    Raises:
        InvalidInputError: if it needs no grant.
    """
    if known.auth is MailboxAuth.DELEGATED:
        raise InvalidInputError("is here already, and reached by a service account.")
    if known.state in (GrantState.ACTIVE, GrantState.SUSPECT):
        raise InvalidInputError("is here already, with a grant that works.")
    return MailboxSettings(kind=known.kind, auth=known.auth)


def _grant(token: Any, client_id: str) -> IncomingGrant:
    """Read a grant that can work here.

    Raises:
        InvalidInputError: saying why it cannot.
    """
    if token in (None, "", {}):
        raise InvalidInputError("there is no token; sign in again.")
    grant = read_token(token)
    if grant.client_id and grant.client_id != client_id:
        raise InvalidInputError(
            "its grant was given to another OAuth client than the one of the Connection gmail_oauth_client, and works "
            "with that one alone; put that client into the Connection first, or sign in again."
        )
    if not _enough(grant.scopes):
        raise InvalidInputError("its grant lacks the Gmail permission gmail.modify; sign in again.")
    return grant


def _enough(scopes: Collection[str]) -> bool:
    """Tell whether the scopes serve; where none are noted, the first refresh tells."""
    return not scopes or bool(SCOPES_ENOUGH.intersection(scopes))


def _remark(offer: Offer, address: str, why: str) -> Remark:
    return Remark(source=offer.source, address=address, why=why)

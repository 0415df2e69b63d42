"""Plan a migration from another system: select the mailboxes that can be imported, and list the others with a reason.

Unlike the import of a file, which is all or nothing, a migration skips invalid accounts, so that they do not block the
valid ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import GrantState, MailboxAuth
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import shorten_text
from gmail_warmup.mailboxes import bulk, lookup
from gmail_warmup.mailboxes.addresses import describe_twins, get_identity, normalize_address
from gmail_warmup.mailboxes.pause_end import Pause
from gmail_warmup.mailboxes.records import (
    MailboxRecord,
    MailboxSettings,
    validate_mailbox_settings,
)
from gmail_warmup.oauth.grant_import import ImportedGrant
from gmail_warmup.oauth.token_endpoint import lacks_gmail_scope
from gmail_warmup.transfer.authorized_user import parse_authorized_user
from gmail_warmup.transfer.effects import MailboxEffect, MailboxOutcome
from gmail_warmup.transfer.parser import ParsedMailbox


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The unchecked data of one mailbox in another system."""

    source: str
    """Where the data comes from: a row or a file."""
    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: Any = field(default=None, repr=False)
    """An object with a grant in a known shape, or its JSON text; None without a token."""
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A mailbox or grant that is not imported, with the reason; contains no part of a token."""

    source: str
    address: str
    why: str


@dataclass(kw_only=True)
class MigrationPlan:
    """The mailboxes to import, those of them that must sign in again, and the skipped ones."""

    mailboxes: list[ParsedMailbox] = field(default_factory=list)
    to_sign_in: list[Skipped] = field(default_factory=list)
    left: list[Skipped] = field(default_factory=list)

    def explain_effects(self, effects: Iterable[MailboxEffect]) -> list[MailboxEffect]:
        """Return the effects of the import with their reasons, and those of the skipped mailboxes and files."""
        reasons = {item.address: item.why for item in self.to_sign_in}
        explained = [replace(effect, why=reasons.get(effect.address, effect.why)) for effect in effects]
        return explained + [
            MailboxEffect(source=item.source, address=item.address, mailbox=MailboxOutcome.NOT_IMPORTED, why=item.why)
            for item in self.left
        ]


def plan_migration(
    connection: sa.Connection, offers: Iterable[Candidate], *, client_ids: Collection[str], left: Iterable[Skipped] = ()
) -> MigrationPlan:
    """Decide which candidates are imported; nothing is written.

    An existing mailbox keeps its settings, and its grant if that works.

    Args:
        client_ids: the OAuth clients of this installation; a grant is only valid for the client it was issued to.
        left: what was skipped before.
    """
    made = MigrationPlan(left=list(left))
    offered = list(_drop_duplicates(offers, made))
    known = bulk.find_existing(connection, [address for address, _ in offered], lock=False)
    spellings = lookup.find_second_spellings(connection, [address for address, _ in offered])
    for number, (address, offer) in enumerate(offered, 1):
        if address in spellings:
            made.left.append(_to_skipped(offer, address, lookup.describe_spelling(address, spellings[address])))
            continue
        try:
            made.mailboxes.append(_to_mailbox(number, address, offer, known.get(address), client_ids, made))
        except InvalidInputError as error:
            made.left.append(_to_skipped(offer, address, str(error).removeprefix(f"{address}: ")))
    return made


def _drop_duplicates(offers: Iterable[Candidate], made: MigrationPlan) -> Iterable[tuple[str, Candidate]]:
    """Yield each mailbox once, with its normalized address."""
    first: dict[str, tuple[str, str]] = {}
    for offer in offers:
        try:
            address = normalize_address(offer.address)
        except InvalidInputError as error:
            made.left.append(_to_skipped(offer, shorten_text(offer.address), str(error)))
            continue
        identity = get_identity(address)
        if identity in first:
            source, other = first[identity]
            why = "appears twice" if other == address else describe_twins(address, other)
            made.left.append(_to_skipped(offer, address, f"{why}; {source} is used."))
        else:
            first[identity] = offer.source, address
            yield address, offer


def _to_mailbox(
    number: int,
    address: str,
    offer: Candidate,
    known: MailboxRecord | None,
    client_ids: Collection[str],
    made: MigrationPlan,
) -> ParsedMailbox:
    """Return the mailbox to import.

    Raises:
        InvalidInputError: with the reason why it is skipped.
    """
    settings = _require_flagged(known) if known else validate_mailbox_settings(dict(offer.settings), address=address)
    grant = None
    try:
        grant = _read_grant(offer.token, address, client_ids)
    except InvalidInputError as error:
        if known:
            raise
        made.to_sign_in.append(_to_skipped(offer, address, str(error)))
    pause = Pause(reason=offer.pause_reason) if offer.pause_reason and not known else None
    return ParsedMailbox(
        number=number, address=address, settings=settings, grant=grant, pause=pause, source=offer.source
    )


def _require_flagged(known: MailboxRecord) -> MailboxSettings:
    """Return settings that do not change an existing mailbox.

    Raises:
        InvalidInputError: if it needs no grant.
    """
    if known.auth is MailboxAuth.DELEGATED:
        raise InvalidInputError("exists already and uses a service account.")
    if known.state in (GrantState.ACTIVE, GrantState.SUSPECT):
        raise InvalidInputError("exists already, with a grant that works.")
    return MailboxSettings(kind=known.kind, auth=known.auth)


def _read_grant(token: Any, address: str, client_ids: Collection[str]) -> ImportedGrant:
    """Parse a grant and check that it can be used by this installation.

    Raises:
        InvalidInputError: with the reason why it cannot be used.
    """
    if token in (None, "", {}):
        raise InvalidInputError("there is no token; sign in again.")
    grant = parse_authorized_user(token, address=address)
    if grant.client_id and grant.client_id not in client_ids:
        raise InvalidInputError(
            "its grant was issued to an OAuth client that this installation does not have, and works only with that "
            "client; add that client first (gmail-warmup clients set), or sign in again."
        )
    if lacks_gmail_scope(grant.scopes):  # without recorded scopes, the first refresh checks them
        raise InvalidInputError("its grant lacks the Gmail permission gmail.modify; sign in again.")
    return grant


def _to_skipped(offer: Candidate, address: str, why: str) -> Skipped:
    return Skipped(source=offer.source, address=address, why=why)

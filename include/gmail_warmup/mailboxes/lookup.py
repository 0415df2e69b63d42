"""Find mailboxes by an address that a person, a file or a task gives, in any spelling of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVarTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.errors import InvalidInputError, UnknownMailboxError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.addresses import (
    describe_twins,
    get_identity,
    list_search_texts,
    to_stored_address,
)

_Columns = TypeVarTuple("_Columns")
_IS_IDENTITY = Mailbox.identity == sa.bindparam("identity")


class SecondSpellingError(InvalidInputError):
    """An address belongs to a Google mailbox that exists under another address."""

    def __init__(self, spellings: dict[str, str]) -> None:
        super().__init__("\n".join(describe_spelling(address, first) for address, first in spellings.items()))


def describe_spelling(address: str, first: str) -> str:
    """Return why an address is refused whose mailbox exists under the address ``first``."""
    return f"{describe_twins(address, first)}, which exists already. Use {first}."


def select_by_address(query: sa.Select[*_Columns]) -> sa.Select[*_Columns]:
    """Limit a query of mailboxes to the one that ``build_lookup`` names; duplicates come after the kept mailbox."""
    is_other_spelling = Mailbox.address != sa.bindparam("address")
    return query.where(_IS_IDENTITY).order_by(is_other_spelling, Mailbox.duplicate_number).limit(1)


def build_lookup(address: str) -> dict[str, str]:
    """Return the parameters of a query of ``select_by_address``."""
    stored = to_stored_address(address)
    return {"address": stored, "identity": get_identity(stored)}


@dataclass(frozen=True, kw_only=True)
class MailboxAddress:
    """The id and the address of a mailbox."""

    id: int
    address: str


def find_by_address(connection: sa.Connection, addresses: Iterable[str]) -> dict[str, MailboxAddress | None]:
    """Return the mailbox of each address, or None; the keys are the given addresses."""
    lookups = {address: build_lookup(address) for address in addresses}
    identities = sa.literal(list({lookup["identity"] for lookup in lookups.values()}), ARRAY(sa.Text()))
    query = sa.select(Mailbox.id, Mailbox.address, Mailbox.identity).where(Mailbox.identity == sa.any_(identities))
    by_identity: dict[str, MailboxAddress] = {}
    by_address: dict[str, MailboxAddress] = {}
    for row in connection.execute(query.order_by(Mailbox.duplicate_number)):
        by_address[row.address] = MailboxAddress(id=row.id, address=row.address)
        by_identity.setdefault(row.identity, by_address[row.address])
    return {
        address: by_address.get(lookup["address"]) or by_identity.get(lookup["identity"])
        for address, lookup in lookups.items()
    }


def require_mailboxes(connection: sa.Connection, addresses: Iterable[str]) -> list[MailboxAddress]:
    """Return id and stored address of the mailboxes with these addresses in any spelling.

    Raises:
        UnknownMailboxError: with every address of no mailbox.
    """
    found = find_by_address(connection, addresses)
    if missing := sorted(address for address, mailbox in found.items() if mailbox is None):
        raise UnknownMailboxError(*missing)
    return [mailbox for mailbox in found.values() if mailbox is not None]


def matches_text(text: str) -> sa.ColumnElement[bool]:
    """Return the condition that the address or the name of a mailbox contains a text, in upper or lower case."""
    # LIKE on lower-case text costs a tenth of ILIKE in any locale.
    name = sa.func.lower(Mailbox.display_name)
    return sa.or_(contains_text(Mailbox.address, text), name.contains(list_search_texts(text)[0], autoescape=True))


def contains_text(column: sa.SQLColumnExpression[str], text: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column with addresses, which are stored in lower case, contains a text."""
    return sa.or_(*(column.contains(part, autoescape=True) for part in list_search_texts(text)))


def has_address_in(addresses: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox has one of these stored addresses, with one parameter for all of them."""
    return Mailbox.address == sa.any_(sa.literal(list(addresses), ARRAY(sa.Text())))


def has_id_in(ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox has one of these ids, with one parameter for all of them."""
    return Mailbox.id == sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger())))


def find_second_spellings(connection: sa.Connection, stored: Sequence[str]) -> dict[str, str]:
    """Return those stored addresses whose mailbox exists under another address, with that address."""
    found = find_by_address(connection, stored)
    return {address: mailbox.address for address, mailbox in found.items() if mailbox and mailbox.address != address}


def require_first_spelling(connection: sa.Connection, stored: Sequence[str]) -> None:
    """Refuse addresses whose mailbox exists under another address.

    Raises:
        SecondSpellingError: naming each of them and the existing address.
    """
    if spellings := find_second_spellings(connection, stored):
        raise SecondSpellingError(spellings)

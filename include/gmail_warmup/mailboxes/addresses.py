"""Mail addresses: the form in which they are stored, and the identity of the Google mailbox behind one.

The stored form is lower-case ASCII; the domain is in the form of the DNS (``xn--...``). Two stored addresses can belong
to one mailbox of consumer Gmail, which ignores dots and has two domains. The column ``mailbox.identity`` computes the
same identity in the database and is unique.
"""

from __future__ import annotations

import re

from gmail_warmup.core.characters import ASCII_SPACE, describe_character, find_character, is_invisible
from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import shorten_text, to_storable_text

_EXAMPLE = "Write it as name@domain, for example ada@example.com."
MAX_ADDRESS_LENGTH = 254
"""Maximum number of characters of an address (RFC 5321, 4.5.3.1.3)."""
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ENCODED_WORD = "=?"
"""Begins an encoded word (RFC 2047), which a mail program may decode to another address, or to a line of its own."""
_LOCAL_PART = re.compile(rf"(?=.{{1,64}}$)(?!.*=\?){_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_WRAPPED = re.compile(r"(?:mailto:|.*<)([^<>\s]+@[^<>\s]+?)>?", re.IGNORECASE)
"""An address in the form of a header or a link: ``Ada <ada@example.com>``, ``mailto:ada@example.com``."""


def normalize_address(address: str) -> str:
    """Return the address of a mailbox in its stored form.

    Raises:
        InvalidInputError: if it is not an email address, or cannot be the address of an account at Google.
    """
    stored = _parse_address(address)
    local, _, domain = stored.rpartition("@")
    if domain in CONSUMER_DOMAINS and "+" in local:
        main = f"{local.partition('+')[0]}@{domain}"
        raise InvalidInputError(
            f"'{shorten_text(stored)}' is another name of the mailbox {main}; nobody can sign in with it. Use {main}."
        )
    return stored


def normalize_contact(address: str) -> str:
    """Return the mail address of a person, which need not be an account at Google, in its stored form.

    Raises:
        InvalidInputError: if it is not a mail address.
    """
    return _parse_address(address)


def normalize_sought_contact(address: str) -> str:
    """Return the mail address of a person who is looked up, in its stored form; it may end with the dot of the root.

    Raises:
        InvalidInputError: if it is not a mail address.
    """
    return _parse_address(to_stored_address(address) or address)


def normalize_domain(domain: str) -> str:
    """Return a domain in its stored form, without the dot of the root; other texts are returned in lower case."""
    trimmed = domain.strip().lstrip("@")
    try:
        return to_storable_text(_to_ascii_domain(trimmed).removesuffix("."))
    except InvalidInputError:
        return to_storable_text(trimmed.lower())


def get_identity(stored: str) -> str:
    """Return the identity of the Google mailbox that a stored address belongs to.

    Consumer Gmail ignores dots in the local part and what follows a plus sign, and has two domain names; Google
    Workspace does neither.
    """
    local, _, domain = stored.rpartition("@")
    if domain not in CONSUMER_DOMAINS:
        return stored
    return local.partition("+")[0].replace(".", "") + "@" + CONSUMER_DOMAINS[0]


def get_recipient_identity(stored: str) -> str:
    """Return the identity of the Google mailbox that mail to a stored address arrives in.

    Consumer Gmail and Google Workspace deliver ``name+tag`` to ``name``.
    """
    local, _, domain = stored.rpartition("@")
    return get_identity(f"{local.partition('+')[0]}@{domain}")


def to_stored_address(address: str) -> str:
    """Return an address as a look-up needs it: in its stored form, or as it is if no rule of today accepts it.

    Its domain may end with the dot of the root. A text that the database cannot store is returned as an empty text,
    which no mailbox has.
    """
    local, at_sign, domain = address.strip().rpartition("@")
    trimmed = f"{local}{at_sign}{normalize_domain(domain) if at_sign else domain}"
    try:
        return _parse_address(trimmed)
    except InvalidInputError:
        return trimmed.lower() if trimmed.isprintable() else ""


def list_search_texts(text: str) -> list[str]:
    """Return what a search for a part of an address or a domain looks for: the text, and its stored spelling.

    Whole labels of a domain in Unicode are converted to the form of the DNS, so ``bücher`` and ``ada@bücher.example``
    are found. A part of such a label is not: the form of the DNS does not contain it.
    """
    typed = to_storable_text(text.strip().lower())
    local, at_sign, domain = typed.rpartition("@")
    labels = domain.lstrip(".")
    stored = f"{local}{at_sign}{domain.removesuffix(labels)}{normalize_domain(labels)}"
    is_begun_name = typed.isascii() and not at_sign and "." not in stored  # "ada." finds no "adam"
    return [typed] if is_begun_name or stored == typed else [typed, stored]


def is_same_mailbox(one: str, other: str) -> bool:
    """Return whether two addresses belong to the same Google mailbox."""
    return get_identity(to_stored_address(one)) == get_identity(to_stored_address(other))


def describe_twins(address: str, first: str) -> str:
    """Return the fact that two addresses belong to the same Google mailbox."""
    return f"{address} is the same Google mailbox as {first}"


def is_consumer_address(address: str) -> bool:
    """Return whether an address belongs to consumer Gmail and not to a Google Workspace."""
    return to_stored_address(address).rpartition("@")[2] in CONSUMER_DOMAINS


def _parse_address(address: str) -> str:
    trimmed = address.strip(ASCII_SPACE)
    local, at_sign, domain = trimmed.rpartition("@")
    if trimmed.isascii() and at_sign and len(trimmed) <= MAX_ADDRESS_LENGTH:
        stored = f"{local.lower()}@{_to_ascii_domain(domain)}"
        if _LOCAL_PART.fullmatch(local.lower()) and _DOMAIN.fullmatch(stored.rpartition("@")[2]):
            return stored
    _explain(trimmed)
    stored = f"{local.lower()}@{_to_ascii_domain(domain)}"
    if not _DOMAIN.fullmatch(stored.rpartition("@")[2]) or len(stored) > MAX_ADDRESS_LENGTH:
        raise _not_an_address(trimmed, _EXAMPLE)
    return stored


def _explain(address: str) -> None:
    """Raise the error that tells what is wrong with an address, unless only its domain is not ASCII."""
    if len(address) > MAX_ADDRESS_LENGTH:
        raise _not_an_address(address, f"It has more than {MAX_ADDRESS_LENGTH} characters.")
    if wrapped := _WRAPPED.fullmatch(address):
        raise _not_an_address(address, f"Write only the address: {shorten_text(wrapped[1])}")
    if re.search(r"@.*[,;].*@", address):
        raise _not_an_address(address, "Write one address, not a list.")
    local, at_sign, domain = address.rpartition("@")
    if '"' in local:
        raise _not_an_address(address, "Use an address that has no quotation marks.")
    if found := find_character(address, is_invisible):
        raise _not_an_address(address, f"Remove the character {found}.")
    foreign = next((char for char in (local if at_sign else address) if not char.isascii()), None)
    if foreign:
        raise _not_an_address(address, f"Before the @ only ASCII is possible, not {describe_character(foreign)}.")
    if not at_sign or not local or not domain:
        raise _not_an_address(address, _EXAMPLE)
    if ".." in address or local.startswith(".") or local.endswith(".") or domain.startswith("."):
        raise _not_an_address(address, "A dot must not be first or last, or follow another one.")
    if domain.endswith("."):
        raise _not_an_address(address, f"Remove the dot at the end: {shorten_text(address.rstrip('.'))}")
    if _ENCODED_WORD in local:
        raise _not_an_address(address, f"Use an address without {_ENCODED_WORD}")
    if not _LOCAL_PART.fullmatch(local.lower()):
        raise _not_an_address(address, _EXAMPLE)


def _to_ascii_domain(domain: str) -> str:
    """Return a domain in the form of the DNS.

    Raises:
        InvalidInputError: if it cannot be a domain.
    """
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    import idna  # costs 20 ms, and few addresses need it

    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    except UnicodeError as error:
        raise InvalidInputError(f"'{shorten_text(domain)}' is not a domain: {shorten_text(str(error))}.") from None


def _not_an_address(address: str, step: str) -> InvalidInputError:
    return InvalidInputError(f"'{shorten_text(address)}' is not a mail address. {step}")

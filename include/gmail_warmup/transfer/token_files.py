"""Read files of tokens such as ``token.json``, and decide which mailbox each grant belongs to.

A grant that is stored under the wrong address replaces the grant of that mailbox, so a grant whose address is not
certain is left out with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.addresses import get_identity, is_same_mailbox, normalize_address
from gmail_warmup.transfer.migration_plan import Candidate, Skipped
from gmail_warmup.transfer.tokens import documents, fields, file_names, shapes

_REMEDY = "name it with --address, or rename the file to its address followed by .json."

FindExisting = Callable[[Collection[str]], Collection[str]]
"""Return those of some addresses that are mailboxes here."""


@dataclass(frozen=True, kw_only=True)
class _Grant:
    """One grant of a file, before its mailbox is known."""

    source: str
    values: dict[str, Any]
    stated: str | None
    """The address that the content states."""
    readings: tuple[str, ...]
    """The addresses that the name of the file can state; empty for a file of several grants."""


def read_token_files(
    place: Path,
    *,
    kind: str,
    address: str = "",
    name_pattern: str = "",
    find_existing: FindExisting = lambda addresses: (),
) -> tuple[list[Candidate], list[Skipped]]:
    """Read a file, or every file of a folder; return the candidates, and what is skipped with the reason.

    Args:
        kind: the kind of new mailboxes.
        address: the mailbox of the file; only for a single file.
        name_pattern: where the address is in the names of the files, such as ``token_{address}.json``.
        find_existing: decides between two readings of a name, of which only one is a mailbox here.

    Raises:
        InvalidInputError: if there is no such file or folder, or an address is given for a folder.
    """
    if address and place.is_dir():
        raise InvalidInputError(f"{place} is a folder, but --address is for a single file.")
    if address and name_pattern:
        raise InvalidInputError("--address and --name-pattern cannot be combined.")
    given = normalize_address(address) if address else None
    pattern = file_names.compile_name_pattern(name_pattern) if name_pattern else None
    left: list[Skipped] = []
    grants: list[_Grant] = []
    for path in _list_files(place):
        names = file_names.match_file_name(pattern, path.name) if pattern else file_names.read_file_name(path.name)
        grants += _read_file(path, names, left)
    existing = set(find_existing({reading for grant in grants for reading in grant.readings}))
    offers = [offer for grant in grants if (offer := _to_candidate(grant, kind, given, existing, left))]
    return list(_drop_rivals(offers, left)), left


def _list_files(place: Path) -> Iterator[Path]:
    try:
        if not place.exists():
            raise InvalidInputError(f"{place} does not exist.")
        found = sorted(place.iterdir()) if place.is_dir() else [place]
    except OSError as error:
        raise InvalidInputError(f"{place} cannot be read: {error.strerror}.") from None
    yield from (path for path in found if path.is_file() and not path.name.startswith("."))


def _read_file(path: Path, names: tuple[str, ...], left: list[Skipped]) -> Iterator[_Grant]:
    """Yield the grants of a file; what cannot be read is added to the skipped ones."""
    try:
        found = shapes.find_tokens(documents.read_document(path))
    except InvalidInputError as error:
        left.append(Skipped(source=path.name, address=names[0] if len(names) == 1 else "", why=str(error)))
        return
    for token in found:
        source = f"{path.name} [{token.place}]" if token.place else path.name
        try:
            if token.values is None:
                raise InvalidInputError(token.problem)
            stated = _find_stated(token)
        except InvalidInputError as error:
            left.append(Skipped(source=source, address=token.key, why=str(error)))
            continue
        yield _Grant(source=source, values=dict(token.values), stated=stated, readings=names if len(found) == 1 else ())


def _find_stated(token: shapes.FoundToken) -> str | None:
    """Return the address that the content states for a grant: a field, an ID token, or the key of the grant."""
    stated = fields.find_account(token.values or {})
    key = normalize_address(token.key) if token.key else None
    if stated and key and not is_same_mailbox(stated, key):
        raise InvalidInputError(f"its key is {key}, but it contains the grant of {stated}; correct the file.")
    return key or stated


def _to_candidate(
    grant: _Grant, kind: str, given: str | None, existing: Collection[str], left: list[Skipped]
) -> Candidate | None:
    try:
        address = _choose_address(grant, given, existing)
    except InvalidInputError as error:
        left.append(Skipped(source=grant.source, address=grant.stated or "", why=str(error)))
        return None
    return Candidate(source=grant.source, address=address, settings={"kind": kind}, token=grant.values)


def _choose_address(grant: _Grant, given: str | None, existing: Collection[str]) -> str:
    """Return the mailbox of a grant.

    Raises:
        InvalidInputError: if it is not certain, with the remedy.
    """
    if given and grant.stated and not is_same_mailbox(given, grant.stated):
        raise InvalidInputError(f"contains the grant of {grant.stated}, but --address is {given}.")
    if given:
        return given
    readings = grant.readings
    if grant.stated:
        if readings and not any(is_same_mailbox(grant.stated, reading) for reading in readings):
            raise InvalidInputError(
                f"contains the grant of {grant.stated}, but its name says {readings[-1]}; correct the name."
            )
        return grant.stated
    if len(readings) > 1:
        readings = tuple(reading for reading in readings if reading in existing)
    if len(readings) == 1:
        return readings[0]
    if grant.readings:
        raise InvalidInputError(
            f"its name can mean {' or '.join(grant.readings)}; add the right mailbox first, or use --name-pattern."
        )
    raise InvalidInputError(f"contains no address; {_REMEDY}")


def _drop_rivals(offers: list[Candidate], left: list[Skipped]) -> Iterator[Candidate]:
    """Yield the candidates that are the only ones for their mailbox; two copies of one grant count as one."""
    alike: dict[str, list[Candidate]] = {}
    for offer in offers:
        alike.setdefault(get_identity(offer.address), []).append(offer)
    for group in alike.values():
        tokens = {_get_refresh_token(offer) for offer in group}
        kept, dropped = (group[:1], group[1:]) if len(tokens) == 1 else ([], group)
        yield from kept
        for offer in dropped:
            others = " and ".join(other.source for other in group if other is not offer)
            why = (
                f"contains the same grant as {others}, which is used."
                if kept
                else f"contains another grant for the mailbox of {others}; keep one of the files."
            )
            left.append(Skipped(source=offer.source, address=offer.address, why=why))


def _get_refresh_token(offer: Candidate) -> str | None:
    try:
        return fields.read_grant(offer.token).refresh_token
    except InvalidInputError:
        return None

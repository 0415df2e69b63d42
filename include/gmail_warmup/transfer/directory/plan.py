"""Compare the directory of a Workspace with its delegated mailboxes: which are added, and which are paused.

A mailbox is never removed, and one that a person paused is left alone. The plan is made without writing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox, MailboxAuth
from gmail_warmup.gmail.workspace.directory import Directory, DirectoryUser, GroupMember
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.mailboxes.addresses import normalize_address
from gmail_warmup.mailboxes.records import MailboxSettings, validate_mailbox_settings
from gmail_warmup.mailboxes.tags import load_tags
from gmail_warmup.transfer.directory.request import SyncRequest

PAUSE_REASON = "Workspace directory: "
"""Beginning of the reason of every pause that a synchronisation sets."""


class SyncEffect(StrEnum):
    """What a synchronisation does with a mailbox."""

    ADD = "add"
    """It is added."""
    PAUSE = "pause"
    """It is paused: its user is suspended, archived or deleted, or left the selection."""
    TAG = "tag"
    """It gets the tag of the selection."""
    UNCHANGED = "unchanged"
    """Nothing is done."""
    SKIPPED = "skipped"
    """The user cannot be added; the reason says why."""


CHANGING = (SyncEffect.ADD, SyncEffect.PAUSE, SyncEffect.TAG)
"""The effects that write something."""


@dataclass(frozen=True, kw_only=True)
class SyncEntry:
    """One mailbox, or one user of the directory, in the plan.

    Attributes:
        reason: why, for people.
        error: why the entry could not be applied.
    """

    address: str
    effect: SyncEffect
    reason: str = ""
    settings: MailboxSettings | None = field(default=None, repr=False)
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The users whose mailboxes are wanted; without organisational units and groups, all users.

    Attributes:
        org_units: paths; users in units below them count.
        members: the members of the chosen groups, by group; None if no group was chosen.
    """

    org_units: tuple[str, ...] = ()
    members: Mapping[str, Collection[GroupMember]] | None = None

    def includes(self, user: DirectoryUser) -> bool:
        """Return whether a user is selected."""
        if not self.org_units and self.members is None:
            return True
        if any(_is_below(user.org_unit, unit) for unit in self.org_units):
            return True
        return self._includes_everyone or user.id in self._member_ids

    def list_external(self, users: Iterable[DirectoryUser]) -> list[str]:
        """Return the addresses of members of the groups that are not users of this directory."""
        known = {user.id for user in users}
        return sorted({m.address or m.id for m in self._all_members if not m.is_everyone and m.id not in known})

    @cached_property
    def _all_members(self) -> list[GroupMember]:
        return [member for members in (self.members or {}).values() for member in members]

    @cached_property
    def _member_ids(self) -> frozenset[str]:
        return frozenset(member.id for member in self._all_members)

    @cached_property
    def _includes_everyone(self) -> bool:
        return any(member.is_everyone for member in self._all_members)


def _is_below(path: str, unit: str) -> bool:
    wanted = "/" + unit.strip("/").lower()
    return wanted == "/" or (path.lower() + "/").startswith(wanted + "/")


@dataclass(frozen=True, kw_only=True)
class KnownMailbox:
    """A mailbox of the database."""

    id: int
    address: str
    auth: MailboxAuth
    is_being_removed: bool = False
    is_paused: bool
    pause_reason: str
    tags: tuple[str, ...]


def make_plan(engine: sa.Engine, directory: Directory, request: SyncRequest) -> list[SyncEntry]:
    """Read the directory, then return what the synchronisation does, sorted by address. Nothing is written.

    No connection to the database is held while Google is requested.

    Raises:
        DirectoryError: if the directory cannot be read completely.
        DirectoryTimeoutError: if it cannot be read within the time limit.
        InvalidInputError: if an organisational unit or a group has no users.
    """
    members = {group: directory.list_members(group) for group in request.groups} or None
    users = directory.list_users()
    selection = Selection(org_units=request.org_units, members=members)
    require_users(selection, users)
    with read_transaction(engine) as connection:
        known = load_known(connection, users)
    return plan_sync(users, selection, known, request.settings, tag=request.tag)


def require_users(selection: Selection, users: Collection[DirectoryUser]) -> None:
    """Refuse a selection with an organisational unit or a group without users, which is probably misspelt.

    Raises:
        InvalidInputError: naming it. Nothing was changed.
    """
    known = {user.id for user in users}
    empty = [unit for unit in selection.org_units if not any(_is_below(user.org_unit, unit) for user in users)]
    for group, members in (selection.members or {}).items():
        if not any(member.is_everyone or member.id in known for member in members):
            empty.append(group)
    if empty:
        raise InvalidInputError(
            f"No user of the Workspace is in {', '.join(empty)}. Check the path or address; nothing was changed."
        )


def load_known(connection: sa.Connection, users: Collection[DirectoryUser]) -> dict[str, KnownMailbox]:
    """Return all delegated mailboxes, and those with an address of a user, by stored address."""
    addresses = [address for user in users for address in _list_addresses(user)]
    named = [mailbox.id for mailbox in lookup.find_by_address(connection, addresses).values() if mailbox]
    query = sa.select(
        Mailbox.id, Mailbox.address, Mailbox.auth, Mailbox.paused_at, Mailbox.pause_reason,
        removals.IS_BEING_REMOVED.label("is_being_removed"),
    ).where(sa.or_(Mailbox.auth == MailboxAuth.DELEGATED, lookup.has_id_in(named)))  # fmt: skip
    rows = connection.execute(query).all()
    tags = load_tags(connection, [row.id for row in rows])
    return {
        row.address: KnownMailbox(
            id=row.id,
            address=row.address,
            auth=MailboxAuth(row.auth),
            is_being_removed=row.is_being_removed,
            is_paused=row.paused_at is not None,
            pause_reason=row.pause_reason or "",
            tags=tags.get(row.id, ()),
        )
        for row in rows
    }


def _list_addresses(user: DirectoryUser) -> list[str]:
    """Return the valid addresses of a user, the primary one first."""
    found = []
    for address in (user.address, *user.aliases):
        try:
            found.append(normalize_address(address))
        except InvalidInputError:
            continue
    return list(dict.fromkeys(found))


def plan_sync(
    users: Collection[DirectoryUser],
    selection: Selection,
    known: Mapping[str, KnownMailbox],
    settings: MailboxSettings,
    *,
    tag: str = "",
) -> list[SyncEntry]:
    """Return what a synchronisation does with each selected user and each delegated mailbox, sorted by address.

    Args:
        known: the mailboxes, from ``load_known``.
        settings: of the mailboxes to add.
        tag: marks the mailboxes of this selection. One that has it and is no longer selected is paused.
    """
    matched: dict[str, KnownMailbox] = {}
    entries = []
    for user in users:
        addresses = _list_addresses(user)
        mailbox = next((known[address] for address in addresses if address in known), None)
        if mailbox:
            matched[mailbox.address] = mailbox
        if mailbox and mailbox.auth is MailboxAuth.DELEGATED:
            entries.append(_plan_known(user, mailbox, is_selected=selection.includes(user), tag=tag))
        elif selection.includes(user):
            entries.append(_plan_new(user, addresses, mailbox, settings))
    entries += _plan_deleted(users, known, matched)
    entries += [
        SyncEntry(address=address, effect=SyncEffect.SKIPPED, reason="not a user of this Workspace")
        for address in selection.list_external(users)
        if address not in known
    ]
    return sorted(entries, key=lambda entry: entry.address)


def _describe_absence(user: DirectoryUser) -> str:
    """Return why nobody can use the mailbox of a user; empty if somebody can."""
    if user.is_suspended:
        return "the user is suspended"
    if user.is_archived:
        return "the user is archived"
    return "" if user.has_gmail else "the user has no Gmail mailbox"


def _plan_known(user: DirectoryUser, mailbox: KnownMailbox, *, is_selected: bool, tag: str) -> SyncEntry:
    if mailbox.is_being_removed:
        return SyncEntry(address=mailbox.address, effect=SyncEffect.UNCHANGED, reason="it is being removed")
    absence = _describe_absence(user)
    if not absence and not is_selected and tag in mailbox.tags:
        absence = "the user left the selection"
    if absence:
        return _plan_pause(mailbox, absence)
    if mailbox.is_paused and mailbox.pause_reason.startswith(PAUSE_REASON) and is_selected:
        reason = "the user is back; resume the mailbox if it should take part again"
        return SyncEntry(address=mailbox.address, effect=SyncEffect.UNCHANGED, reason=reason)
    is_missing = is_selected and tag and tag not in mailbox.tags
    return SyncEntry(address=mailbox.address, effect=SyncEffect.TAG if is_missing else SyncEffect.UNCHANGED)


def _plan_pause(mailbox: KnownMailbox, absence: str) -> SyncEntry:
    effect = SyncEffect.UNCHANGED if mailbox.is_paused else SyncEffect.PAUSE
    return SyncEntry(address=mailbox.address, effect=effect, reason=absence)


def _plan_new(
    user: DirectoryUser, addresses: list[str], mailbox: KnownMailbox | None, settings: MailboxSettings
) -> SyncEntry:
    shown = addresses[0] if addresses else user.address or f"user {user.id or 'without id'}"
    reason = ""
    if mailbox:
        shown, reason = mailbox.address, "it uses a consent of its owner; change its auth with an import"
    else:
        try:
            normalize_address(user.address)
        except InvalidInputError as error:
            reason = str(error)
        reason = reason or _describe_absence(user)
    if reason:
        return SyncEntry(address=shown, effect=SyncEffect.SKIPPED, reason=reason)
    return SyncEntry(address=shown, effect=SyncEffect.ADD, settings=_name_settings(settings, user, shown))


def _name_settings(settings: MailboxSettings, user: DirectoryUser, address: str) -> MailboxSettings:
    """Return the settings with the user's name; without it, if it cannot be the name of a sender."""
    try:
        return validate_mailbox_settings(settings.model_dump() | {"display_name": user.name or None}, address=address)
    except InvalidInputError:
        return settings


def _plan_deleted(
    users: Iterable[DirectoryUser], known: Mapping[str, KnownMailbox], matched: Mapping[str, KnownMailbox]
) -> Iterator[SyncEntry]:
    """Yield the delegated mailboxes of the domains of this Workspace that belong to no user."""
    domains = {address.rpartition("@")[2] for user in users for address in _list_addresses(user)}
    for address, mailbox in known.items():
        is_known_domain = address.rpartition("@")[2] in domains
        if is_known_domain and address not in matched and mailbox.auth is MailboxAuth.DELEGATED:
            yield _plan_pause(mailbox, "the directory has no such user")

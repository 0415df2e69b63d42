"""Read and change mailboxes. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import aliased

from gmail_warmup.core.enums import ChangeAction, GrantEventReason
from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.mailboxes.addresses import normalize_address
from gmail_warmup.mailboxes.change_log import Subject, record_change, record_mailbox_changes
from gmail_warmup.mailboxes.pause_end import RESUMED, require_end_of_pause
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings
from gmail_warmup.mailboxes.stored_values import check_stored_values
from gmail_warmup.mailboxes.tags import get_mailbox_column, set_tags
from gmail_warmup.mailboxes.time_zones import require_database_zones

_FIELDS = tuple(field.name for field in fields(MailboxRecord) if field.name != "invalid")
HAS_GRANT = OAuthGrant.mailbox_id == Mailbox.id


def get_column(name: str) -> sa.ColumnElement[Any]:
    """Return the expression for a field of ``MailboxRecord`` in a query of mailboxes and their grants."""
    if hasattr(OAuthGrant, name) and not hasattr(Mailbox, name):
        column: sa.ColumnElement[Any] = getattr(OAuthGrant, name)
        return column
    return get_mailbox_column(name)


SELECT_MAILBOXES: sa.Select[Any] = sa.select(*map(get_column, _FIELDS)).join(OAuthGrant, HAS_GRANT)
"""Every mailbox with the state of its grant: the columns named like the fields of ``MailboxRecord``, no secrets."""

# Statements that every task executes are module constants: building one costs as much as executing it.
_IS_MAILBOX, _IS_HOLDER = Mailbox.id == sa.bindparam("mailbox"), Mailbox.lease_holder == sa.bindparam("holder")
_LEASE_VALUES = {"lease_until": sa.func.now() + make_interval(sa.bindparam("seconds", type_=sa.Float))}
EXTEND_LEASE = sa.update(Mailbox).where(_IS_MAILBOX, _IS_HOLDER).values(_LEASE_VALUES)
TAKE_LEASE = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX, sa.or_(Mailbox.lease_until.is_(None), Mailbox.lease_until < sa.func.now(), _IS_HOLDER))
    .values(lease_holder=sa.bindparam("holder"), **_LEASE_VALUES)
)


def to_record(row: sa.Row[Any]) -> MailboxRecord:
    """Return the record of a row that has the columns of ``SELECT_MAILBOXES``; further columns are ignored.

    A row with values that break a rule has a record as well, which names them.
    """
    stored = row._mapping
    values = {name: stored[name] for name in _FIELDS}
    invalid = check_stored_values(values)
    return MailboxRecord(**values, invalid=invalid)


def list_mailboxes(connection: sa.Connection) -> list[MailboxRecord]:
    """Return all mailboxes, ordered by address."""
    return [to_record(row) for row in connection.execute(SELECT_MAILBOXES.order_by(Mailbox.address))]


_SELECT_BY_ADDRESS = lookup.select_by_address(SELECT_MAILBOXES)


def find_mailbox(connection: sa.Connection, address: str) -> MailboxRecord | None:
    """Return the mailbox with this address in any spelling, or None."""
    row = connection.execute(_SELECT_BY_ADDRESS, lookup.build_lookup(address)).one_or_none()
    return to_record(row) if row else None


def get_mailbox(connection: sa.Connection, address: str) -> MailboxRecord:
    """Return the mailbox with this address in any spelling.

    Raises:
        UnknownMailboxError: no mailbox has this address.
    """
    mailbox = find_mailbox(connection, address)
    if mailbox is None:
        raise UnknownMailboxError(address)
    return mailbox


_SELECT_BY_ID = SELECT_MAILBOXES.where(Mailbox.id == sa.bindparam("id"))


def get_mailbox_by_id(connection: sa.Connection, mailbox_id: int) -> MailboxRecord:
    """Return the mailbox with this id."""
    return to_record(connection.execute(_SELECT_BY_ID, {"id": mailbox_id}).one())


_SELECT_BY_IDS = SELECT_MAILBOXES.where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))


def load_records(connection: sa.Connection, ids: Sequence[int]) -> dict[int, MailboxRecord]:
    """Return the mailboxes with these ids, by id."""
    rows = connection.execute(_SELECT_BY_IDS, {"ids": list(ids)})
    return {row.id: to_record(row) for row in rows}


def get_mailboxes(connection: sa.Connection, addresses: Iterable[str]) -> list[MailboxRecord]:
    """Return the mailboxes with these addresses in any spelling, each once, ordered by address.

    Raises:
        UnknownMailboxError: with every address of no mailbox.
    """
    stored = {mailbox.address for mailbox in lookup.require_mailboxes(connection, addresses)}
    query = SELECT_MAILBOXES.where(lookup.has_address_in(stored)).order_by(Mailbox.address)
    return [to_record(row) for row in connection.execute(query)]


def add_or_update(
    connection: sa.Connection,
    address: str,
    settings: MailboxSettings,
    *,
    actor: str,
    only: Collection[str] = tuple(MailboxSettings.model_fields),
) -> int:
    """Add a mailbox, or change the settings of the one with this address; return its id.

    A new mailbox starts with a grant in the state ``needs_reauth`` (reason ``never_granted``), a delegated one in
    ``active``. Progress, pause and grant of an existing mailbox stay, unless ``auth`` changes: see ``_change_auth``.

    Args:
        only: the settings of an existing mailbox that are changed; the others stay.

    Raises:
        InvalidInputError: if the address is not an email address, or PostgreSQL does not know the time zone.
        SecondSpellingError: if the Google mailbox exists under another address.
        MailboxBeingRemovedError: if it is being removed.
    """
    address, values = normalize_address(address), settings.model_dump(mode="json", exclude={"tags"})
    require_database_zones(connection, [settings.timezone])
    statement = insert(Mailbox).values(address=address, created_by=actor, **values)
    # A conflict is the same address, or another address with the same identity.
    added = connection.execute(statement.on_conflict_do_nothing().returning(Mailbox.id)).scalar_one_or_none()
    if added is not None:
        _add_initial_grant(connection, added, settings.auth, actor=actor)
        set_tags(connection, {added: settings.tags})
        subject = Subject.of_mailbox(added, address)
        record_change(connection, ChangeAction.MAILBOX_ADD, actor=actor, subject=subject, after=settings.model_dump())
        return int(added)
    lookup.require_first_spelling(connection, [address])
    removals.require_kept(connection, [address])
    row = connection.execute(_SELECT_AUTH, {"address": address}).one_or_none()
    if row is None:  # it was erased since the insert waited for it
        raise removals.MailboxBeingRemovedError(address)
    # The settings affect the plan, so the cached send time is cleared.
    changed = {name: value for name, value in values.items() if name in only} | {"next_send_at": None}
    is_found, action = Mailbox.id == row.id, ChangeAction.MAILBOX_CHANGE
    with record_mailbox_changes(connection, is_found, only, action=action, actor=actor):
        connection.execute(sa.update(Mailbox).where(Mailbox.id == row.id).values(changed))
        if "tags" in only:
            set_tags(connection, {row.id: settings.tags})
    if row.auth != settings.auth and "auth" in only:
        _change_auth(connection, row.id, settings.auth, actor=actor)
    return int(row.id)


_SELECT_AUTH = sa.select(Mailbox.id, Mailbox.auth).where(Mailbox.address == sa.bindparam("address"))


def _add_initial_grant(connection: sa.Connection, mailbox_id: int, auth: MailboxAuth, *, actor: str) -> None:
    state, reason = initial_grant_state(auth)
    added = connection.execute(
        insert(OAuthGrant)
        .values(mailbox_id=mailbox_id, state=state, reason=reason)
        .on_conflict_do_nothing()
        .returning(OAuthGrant.mailbox_id)
    ).scalar_one_or_none()
    if added is not None:
        _add_event(connection, mailbox_id, actor, None, state, reason)


def _change_auth(connection: sa.Connection, mailbox_id: int, auth: MailboxAuth, *, actor: str) -> None:
    """Set the state of the grant after the mailbox has changed between consent and delegation.

    A stored refresh token is kept and used again if the mailbox changes back; the next refresh then tests it and
    reads its expiry. The version is raised and the lease released, so that earlier operations cannot change the row.
    """
    row = connection.execute(
        sa.select(OAuthGrant.state, OAuthGrant.refresh_token.is_not(None).label("has_token"))
        .where(OAuthGrant.mailbox_id == mailbox_id)
        .with_for_update()
    ).one()
    state, reason = (GrantState.ACTIVE, None) if row.has_token else initial_grant_state(auth)
    connection.execute(
        sa.update(OAuthGrant)
        .where(OAuthGrant.mailbox_id == mailbox_id)
        .values(
            state=state, reason=reason, refused_by=None, state_since=sa.func.now(), next_probe_at=None,
            incident_id=None,
            access_token=None, access_expires_at=None, refresh_expires_at=None,
            version=OAuthGrant.version + 1, lease_holder=None, lease_until=None,
        )
    )  # fmt: skip
    _add_event(connection, mailbox_id, actor, row.state, state, reason or GrantEventReason(f"auth_{auth.value}"))


def initial_grant_state(auth: MailboxAuth) -> tuple[GrantState, str | None]:
    """Return the grant state and the reason code of a mailbox without a stored token."""
    delegated = auth is MailboxAuth.DELEGATED
    return (GrantState.ACTIVE, None) if delegated else (GrantState.NEEDS_REAUTH, "never_granted")


def _add_event(
    connection: sa.Connection, mailbox_id: int, actor: str, before: str | None, after: GrantState, reason: str | None
) -> None:
    # No alert: the operator made this change.
    connection.execute(
        insert(GrantEvent).values(mailbox_id=mailbox_id, actor=actor, from_state=before, to_state=after, reason=reason)
    )


PAUSE_COLUMNS = ("paused_at", "pause_reason", "paused_until")
"""The columns of a pause that the change log shows."""


def pause_mailboxes(
    connection: sa.Connection, addresses: Sequence[str], *, actor: str, reason: str, until: date | None = None
) -> int:
    """Pause mailboxes; return the number paused, without those already paused until the same date.

    A mailbox that is being removed keeps its pause and the reason for it.

    Args:
        until: the local date on which each of them resumes; None: when a person resumes it.

    Raises:
        InvalidInputError: if the date is not after today where one of them is, or too far away.
    """
    ids = removals.lock_kept(connection, lookup.has_address_in(addresses))
    if until is not None:
        require_end_of_pause(connection, ids, until)
    is_named = lookup.has_id_in(ids)
    statement = (
        sa.update(Mailbox)
        .where(is_named, sa.or_(Mailbox.paused_at.is_(None), Mailbox.paused_until.is_distinct_from(until)))
        .values(
            paused_at=sa.func.coalesce(Mailbox.paused_at, sa.func.now()), paused_by=actor, pause_reason=reason,
            paused_until=until,
        )
    )  # fmt: skip
    with record_mailbox_changes(connection, is_named, PAUSE_COLUMNS, action=ChangeAction.MAILBOX_PAUSE, actor=actor):
        return connection.execute(statement).rowcount


def resume_mailboxes(connection: sa.Connection, addresses: Sequence[str], *, actor: str) -> int:
    """Resume paused mailboxes; return their number. Slots missed during the pause are not sent.

    A mailbox that is being removed stays paused, and so does a second address of a Google mailbox, unless the mailbox
    under the first address no longer exists.
    """
    kept = aliased(Mailbox)
    is_duplicate = sa.exists().where(
        kept.identity == Mailbox.identity, kept.duplicate_number < Mailbox.duplicate_number
    )
    is_named = lookup.has_id_in(removals.lock_kept(connection, lookup.has_address_in(addresses)))
    statement = (
        sa.update(Mailbox)
        .where(is_named, Mailbox.paused_at.is_not(None), ~is_duplicate)
        .values(RESUMED | {"duplicate_number": 0})
    )
    with record_mailbox_changes(connection, is_named, PAUSE_COLUMNS, action=ChangeAction.MAILBOX_RESUME, actor=actor):
        return connection.execute(statement).rowcount


_STORE_RETRY_TIME = (
    sa.update(Mailbox)
    .where(Mailbox.address == sa.bindparam("for_address"))
    .values(
        gmail_retry_at=sa.func.greatest(
            Mailbox.gmail_retry_at, sa.func.now() + make_interval(sa.bindparam("seconds", type_=sa.Float))
        )
    )
)


def store_gmail_retry_time(connection: sa.Connection, address: str, *, seconds: float) -> None:
    """Store until when Gmail wants no calls to a mailbox; an earlier time replaces no later one."""
    connection.execute(_STORE_RETRY_TIME, {"for_address": address, "seconds": seconds})


_RELEASE_LEASE = sa.update(Mailbox).where(_IS_MAILBOX, _IS_HOLDER).values(lease_holder=None, lease_until=None)


def release_lease(connection: sa.Connection, mailbox_id: int, *, holder: str) -> None:
    """Release the lease of a mailbox, if this holder still has it."""
    connection.execute(_RELEASE_LEASE, {"mailbox": mailbox_id, "holder": holder})

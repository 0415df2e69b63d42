"""Reading and changing mailboxes. Every function takes a connection inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.models import GrantEvent, GrantState, HealthBand, Mailbox, MailboxAuth, MailboxKind, OAuthGrant
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings, normalize_address

_GRANT_COLUMNS = (
    "state",
    "reason",
    "state_since",
    "next_probe_at",
    "granted_at",
    "refreshed_at",
    "refresh_expires_at",
    "access_expires_at",
)
_MAILBOX_COLUMNS = (
    "id", "address", "kind", "auth", "display_name", "signature", "daily_target", "open_rate", "reply_rate", "timezone",
    "label_id", "label_name", "created_at", "paused_at", "pause_reason", "resumed_at", "deferred_until",
    "deferred_reason", "band", "band_reason", "band_since", "health_window_start", "half_volume_on", "sent_24h",
    "sent_24h_at",
)  # fmt: skip

_FIELDS = (*_MAILBOX_COLUMNS, *_GRANT_COLUMNS)
HAS_GRANT = OAuthGrant.mailbox_id == Mailbox.id
SELECT_MAILBOXES: sa.Select[Any] = sa.select(
    *(getattr(Mailbox, name) for name in _MAILBOX_COLUMNS), *(getattr(OAuthGrant, name) for name in _GRANT_COLUMNS)
).join(OAuthGrant, HAS_GRANT)
"""Every mailbox with its grant's state, in the order of MailboxRecord's fields; secrets are not selected."""

# Statements that every task executes are built once: building one costs as much as executing it.
_SELECT_BY_ADDRESS = SELECT_MAILBOXES.where(Mailbox.address == sa.bindparam("address"))
_SELECT_BY_ID = SELECT_MAILBOXES.where(Mailbox.id == sa.bindparam("id"))
_IS_MAILBOX, _IS_HOLDER = Mailbox.id == sa.bindparam("mailbox"), Mailbox.lease_holder == sa.bindparam("holder")
_LEASE_VALUES = {"lease_until": sa.func.now() + interval(sa.bindparam("seconds", type_=sa.Float))}
EXTEND_LEASE = sa.update(Mailbox).where(_IS_MAILBOX, _IS_HOLDER).values(_LEASE_VALUES)
TAKE_LEASE = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX, sa.or_(Mailbox.lease_until.is_(None), Mailbox.lease_until < sa.func.now(), _IS_HOLDER))
    .values(lease_holder=sa.bindparam("holder"), **_LEASE_VALUES)
)
_RELEASE_LEASE = sa.update(Mailbox).where(_IS_MAILBOX, _IS_HOLDER).values(lease_holder=None, lease_until=None)


def to_record(row: sa.Row[Any]) -> MailboxRecord:
    """Turn a row of SELECT into a record; further columns are left out."""
    values = dict(zip(_FIELDS, row, strict=False))  # further columns come last
    values["kind"], values["auth"] = MailboxKind(row.kind), MailboxAuth(row.auth)
    values["state"], values["band"] = GrantState(row.state), HealthBand(row.band)
    return MailboxRecord(**values)


def list_mailboxes(connection: sa.Connection) -> list[MailboxRecord]:
    """Return every mailbox, by address."""
    return [to_record(row) for row in connection.execute(SELECT_MAILBOXES.order_by(Mailbox.address))]


def find_mailbox(connection: sa.Connection, address: str) -> MailboxRecord | None:
    """Return the mailbox with this address, or None."""
    if "\x00" in address:  # PostgreSQL's text has no such character, and its driver refuses it
        return None
    row = connection.execute(_SELECT_BY_ADDRESS, {"address": address.strip().lower()}).one_or_none()
    return to_record(row) if row else None


def get_mailbox(connection: sa.Connection, address: str) -> MailboxRecord:
    """Return the mailbox with this address.

    Raises:
        UnknownMailboxError: if there is none.
    """
    found = find_mailbox(connection, address)
    if found is None:
        raise UnknownMailboxError(address)
    return found


def get_mailbox_by_id(connection: sa.Connection, mailbox_id: int) -> MailboxRecord:
    """Return the mailbox with this id."""
    return to_record(connection.execute(_SELECT_BY_ID, {"id": mailbox_id}).one())


def get_mailboxes(connection: sa.Connection, addresses: Iterable[str]) -> list[MailboxRecord]:
    """Return the mailboxes with these addresses, by address.

    Raises:
        UnknownMailboxError: naming every address that is not a mailbox.
    """
    wanted = {address.strip().lower() for address in addresses}
    query = SELECT_MAILBOXES.where(has_address_in(wanted)).order_by(Mailbox.address)
    found = [to_record(row) for row in connection.execute(query)]
    missing = wanted - {mailbox.address for mailbox in found}
    if missing:
        raise UnknownMailboxError(*sorted(missing))
    return found


def add_or_update(
    connection: sa.Connection,
    address: str,
    settings: MailboxSettings,
    *,
    actor: str,
    only: Collection[str] = tuple(MailboxSettings.model_fields),
) -> int:
    """Add a mailbox, or change the settings of the one that has this address; return its id.

    A new mailbox starts with a grant in the state ``needs_reauth`` (reason ``never_granted``), a delegated one in
    ``active``. Progress, pause and grant of an existing one stay as they are, unless it is now reached in another way:
    see ``_change_auth``.

    Args:
        only: the settings that an existing mailbox takes over; its others stay.

    Raises:
        InvalidInputError: if the address is not one.
    """
    address, values = normalize_address(address), settings.model_dump(mode="json")
    former = sa.select(Mailbox.auth).where(Mailbox.address == address).with_for_update()
    auth = connection.execute(former).scalar_one_or_none()
    statement = insert(Mailbox).values(address=address, created_by=actor, **values)
    taken = {name: value for name, value in values.items() if name in only}
    # Other settings make another plan.
    changed = taken | {"next_send_at": None}
    statement = statement.on_conflict_do_update(index_elements=[Mailbox.address], set_=changed)
    mailbox_id = connection.execute(statement.returning(Mailbox.id)).scalar_one()
    if auth is None:
        _add_first_grant(connection, mailbox_id, settings.auth, actor=actor)
    elif auth != settings.auth and "auth" in only:
        _change_auth(connection, mailbox_id, settings.auth, actor=actor)
    return int(mailbox_id)


def _add_first_grant(connection: sa.Connection, mailbox_id: int, auth: MailboxAuth, *, actor: str) -> None:
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
    """Let the grant's state follow when a mailbox is reached in another way.

    A stored refresh token stays, and works again when the mailbox goes back to it: then the next refresh finds out
    what it is worth, and when it ends. The version rises and the lease ends, so that nothing begun before can touch
    the row.
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
            state=state, reason=reason, state_since=sa.func.now(), next_probe_at=None, incident_id=None,
            access_token=None, access_expires_at=None, refresh_expires_at=None,
            version=OAuthGrant.version + 1, lease_holder=None, lease_until=None,
        )
    )  # fmt: skip
    _add_event(connection, mailbox_id, actor, row.state, state, reason or f"auth_{auth.value}")


def initial_grant_state(auth: MailboxAuth) -> tuple[GrantState, str | None]:
    """Return the state and the reason code of a mailbox for which no token is stored."""
    delegated = auth is MailboxAuth.DELEGATED
    return (GrantState.ACTIVE, None) if delegated else (GrantState.NEEDS_REAUTH, "never_granted")


def _add_event(
    connection: sa.Connection, mailbox_id: int, actor: str, before: str | None, after: GrantState, reason: str | None
) -> None:
    # The operator is not told of what he changes himself.
    connection.execute(
        insert(GrantEvent).values(mailbox_id=mailbox_id, actor=actor, from_state=before, to_state=after, reason=reason)
    )


def has_address_in(addresses: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox has one of these addresses: one parameter, however many they are."""
    listed = sa.literal([address.strip().lower() for address in addresses], ARRAY(sa.Text()))
    return Mailbox.address == sa.any_(listed)


def lock_mailboxes(connection: sa.Connection, ids: sa.Select[int]) -> list[str]:
    """Lock the mailboxes of a query of ids until the transaction ends; return their addresses.

    In the order of their ids, so that two changes of many mailboxes wait for each other instead of failing.
    """
    query = sa.select(Mailbox.address).where(Mailbox.id.in_(ids)).order_by(Mailbox.id).with_for_update()
    return list(connection.scalars(query))


def pause_mailboxes(connection: sa.Connection, addresses: Sequence[str], *, actor: str, reason: str) -> int:
    """Pause mailboxes that are not paused; return how many that were."""
    statement = (
        sa.update(Mailbox)
        .where(has_address_in(addresses), Mailbox.paused_at.is_(None))
        .values(paused_at=sa.func.now(), paused_by=actor, pause_reason=reason)
    )
    return connection.execute(statement).rowcount


def resume_mailboxes(connection: sa.Connection, addresses: Sequence[str]) -> int:
    """Resume paused mailboxes; return how many that were. Slots from before this moment stay unsent."""
    statement = (
        sa.update(Mailbox)
        .where(has_address_in(addresses), Mailbox.paused_at.is_not(None))
        .values(paused_at=None, paused_by=None, pause_reason=None, resumed_at=sa.func.now(), next_send_at=None)
    )
    return connection.execute(statement).rowcount


def release_lease(connection: sa.Connection, mailbox_id: int, *, holder: str) -> None:
    """Give the mailbox back, if this holder still has it."""
    connection.execute(_RELEASE_LEASE, {"mailbox": mailbox_id, "holder": holder})

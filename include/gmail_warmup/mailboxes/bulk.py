"""Add and change thousands of mailboxes with one statement each.

The rows are sent as one JSON document, which PostgreSQL expands to a table. Every function runs inside the caller's
transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.db.locks import lock_mailboxes
from gmail_warmup.db.models import GrantEvent, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes import lookup, repository
from gmail_warmup.mailboxes.change_log import Change, Subject, record_changes, record_mailbox_changes
from gmail_warmup.mailboxes.pause_end import Pause
from gmail_warmup.mailboxes.records import COLUMN_SETTINGS, MailboxRecord, MailboxSettings
from gmail_warmup.mailboxes.tags import set_tags
from gmail_warmup.mailboxes.time_zones import require_database_zones


@dataclass(frozen=True, kw_only=True)
class MailboxInput:
    """The address and the settings of a mailbox to add or change."""

    address: str
    settings: MailboxSettings


def find_existing(connection: sa.Connection, addresses: Sequence[str], *, lock: bool) -> dict[str, MailboxRecord]:
    """Return the existing mailboxes by address; ``lock`` locks their rows until the transaction ends."""
    query = repository.SELECT_MAILBOXES.where(Mailbox.address == sa.any_(sa.cast(list(addresses), ARRAY(sa.Text))))
    if lock:
        lock_mailboxes(connection, lookup.has_address_in(addresses))
    return {row.address: repository.to_record(row) for row in connection.execute(query)}


def add_mailboxes(connection: sa.Connection, inputs: Sequence[MailboxInput], *, actor: str) -> set[str]:
    """Add mailboxes with their initial grants; return the addresses that were added, without existing mailboxes."""
    require_database_zones(connection, (item.settings.timezone for item in inputs))
    table = _build_table(inputs)
    columns = ("address", *COLUMN_SETTINGS, "created_by")
    rows = sa.select(*(table.c[name] for name in ("address", *COLUMN_SETTINGS)), sa.literal(actor)).order_by(
        table.c.address
    )
    statement = (
        insert(Mailbox).from_select(columns, rows).on_conflict_do_nothing().returning(Mailbox.id, Mailbox.address)
    )
    added = connection.execute(statement).all()
    _add_initial_grants(connection, [row.id for row in added], actor=actor)
    _set_tags(connection, inputs, added)
    _record_additions(connection, inputs, {row.address: row.id for row in added}, actor=actor)
    return {row.address for row in added}


def _record_additions(
    connection: sa.Connection, inputs: Sequence[MailboxInput], ids: Mapping[str, int], *, actor: str
) -> None:
    record_changes(
        connection,
        (
            Change(
                action=ChangeAction.MAILBOX_ADD,
                actor=actor,
                subject=Subject.of_mailbox(ids[item.address], item.address),
                after=item.settings.model_dump(),
            )
            for item in inputs
            if item.address in ids
        ),
    )


def _set_tags(connection: sa.Connection, inputs: Iterable[MailboxInput], rows: Iterable[sa.Row[int, str]]) -> None:
    tags_of = {item.address: item.settings.tags for item in inputs}
    set_tags(connection, {row.id: tags_of[row.address] for row in rows})


def _add_initial_grants(connection: sa.Connection, ids: Sequence[int], *, actor: str) -> None:
    initial = {auth: repository.initial_grant_state(auth) for auth in MailboxAuth}
    state = sa.case(*((Mailbox.auth == auth, state.value) for auth, (state, _) in initial.items()))
    reason = sa.case(*((Mailbox.auth == auth, reason) for auth, (_, reason) in initial.items()))
    is_new = Mailbox.id == sa.any_(sa.cast(list(ids), ARRAY(sa.BigInteger)))
    grants = sa.select(Mailbox.id, state, reason).where(is_new)
    connection.execute(insert(OAuthGrant).from_select(["mailbox_id", "state", "reason"], grants))
    events = sa.select(Mailbox.id, sa.literal(actor), state, reason).where(is_new)
    connection.execute(insert(GrantEvent).from_select(["mailbox_id", "actor", "to_state", "reason"], events))


def update_mailboxes(
    connection: sa.Connection,
    inputs: Sequence[MailboxInput],
    *,
    actor: str,
    only: Collection[str] = tuple(MailboxSettings.model_fields),
) -> int:
    """Change settings of existing mailboxes; return the number changed. A mailbox with another ``auth`` is left alone.

    The caller has locked the mailboxes.

    Args:
        only: the settings that are changed; ``auth`` is compared if it is among them.
    """
    require_database_zones(connection, (item.settings.timezone for item in inputs))
    table = _build_table(inputs)
    statement = sa.update(Mailbox).where(Mailbox.address == table.c.address)
    if "auth" in only:
        statement = statement.where(Mailbox.auth == table.c.auth)
    # The settings affect the plan.
    changed = {name: table.c[name] for name in only if name in COLUMN_SETTINGS} | {"next_send_at": None}
    is_named = lookup.has_address_in(item.address for item in inputs)
    with record_mailbox_changes(connection, is_named, only, action=ChangeAction.MAILBOX_CHANGE, actor=actor):
        updated = connection.execute(statement.values(changed).returning(Mailbox.id, Mailbox.address)).all()
        if "tags" in only:
            _set_tags(connection, inputs, updated)
    return len(updated)


def pause_each(connection: sa.Connection, pauses: Mapping[str, Pause], *, actor: str) -> int:
    """Pause mailboxes, by address; return the number paused, without those already paused.

    The caller has locked the mailboxes.
    """
    rows = [
        {"address": address, "reason": pause.reason, "until": pause.until and pause.until.isoformat()}
        for address, pause in pauses.items()
    ]
    columns = (sa.column("address", sa.Text), sa.column("reason", sa.Text), sa.column("until", sa.Date))
    table = _build_recordset(rows, *columns)
    statement = (
        sa.update(Mailbox)
        .where(Mailbox.address == table.c.address, Mailbox.paused_at.is_(None))
        .values(paused_at=sa.func.now(), paused_by=actor, pause_reason=table.c.reason, paused_until=table.c.until)
    )
    is_named, recorded = lookup.has_address_in(pauses), repository.PAUSE_COLUMNS
    with record_mailbox_changes(connection, is_named, recorded, action=ChangeAction.MAILBOX_PAUSE, actor=actor):
        return connection.execute(statement).rowcount


def _build_table(inputs: Iterable[MailboxInput]) -> sa.TableValuedAlias:
    rows = [{"address": item.address} | item.settings.model_dump(mode="json") for item in inputs]
    columns = Mailbox.__table__.columns
    return _build_recordset(rows, *(sa.column(name, columns[name].type) for name in ("address", *COLUMN_SETTINGS)))


def _build_recordset(rows: list[dict[str, Any]], *columns: sa.ColumnClause[Any]) -> sa.TableValuedAlias:
    document = sa.bindparam(None, rows, type_=JSONB, unique=True)
    return sa.func.jsonb_to_recordset(document).table_valued(*columns).render_derived(with_types=True)

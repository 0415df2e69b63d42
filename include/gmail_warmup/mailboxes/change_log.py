"""The change log: who changed what, when and how, with the values before and after.

Each change is recorded in its own transaction, by the function that makes it, so that page, API and commands cannot
omit it. Values are stored under the names of ``RECORDED_NAMES`` only, none of which is a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from gmail_warmup.core.enums import ChangeAction, ChangeSource, SubjectKind
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.models import ChangeLogEntry, Mailbox
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.tags import get_mailbox_column

RECORDED_NAMES = frozenset(MailboxSettings.model_fields) | {
    # of a mailbox
    "paused_at", "pause_reason", "paused_until", "band", "band_reason", "health_window_start",
    "address", "revoke_grant", "trash_mail",
    # of an invite, a consent and a halt
    "invite_id", "expires_at", "purpose", "state", "started_by", "reason",
    # of an OAuth client
    "user_limit", "tags",
    # of a webhook: the id of the Connection, and the number of the delivery
    "receiver", "delivery_id",
    # of a link to a report
    "report_id", "week",
    # of an import, an export and a rotation: numbers, and the selection
    "added", "updated", "paused", "grants", "mailboxes", "format", "readiness", "domain", "tag", "owner",
    "client", "q", "keys",
}  # fmt: skip
"""The names of the values that may be recorded. None of them may be a token, a code, a secret or a link."""

change_source: ContextVar[ChangeSource | None] = ContextVar("change_source", default=None)
"""The interface that the running request, command or task uses; set where it begins."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a change concerns: a mailbox with its address, or something else by its name."""

    kind: SubjectKind
    name: str = ""
    mailbox_id: int | None = None

    @classmethod
    def of_mailbox(cls, mailbox_id: int, address: str) -> Subject:
        """Return a mailbox as the subject."""
        return cls(kind=SubjectKind.MAILBOX, name=address, mailbox_id=mailbox_id)


FLEET = Subject(kind=SubjectKind.FLEET)
"""All mailboxes, or a selection of them."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change to record; ``before`` and ``after`` have the changed values only."""

    action: ChangeAction
    actor: str
    subject: Subject
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def record_change(
    connection: sa.Connection,
    action: ChangeAction,
    *,
    actor: str,
    subject: Subject = FLEET,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record one change, in the transaction that makes it.

    Raises:
        ValueError: a value has a name that is not in ``RECORDED_NAMES``.
    """
    record_changes(connection, [Change(action=action, actor=actor, subject=subject, before=before, after=after)])


def record_changes(connection: sa.Connection, changes: Iterable[Change]) -> None:
    """Record any number of changes like ``record_change``; of a mailbox that was removed, without its data."""
    if rows := [_to_row(change) for change in changes]:
        connection.execute(_INSERT_ROWS, {"rows": rows})


_COLUMNS = ("actor", "source", "action", "subject_kind", "subject", "mailbox_id", "before", "after")
_ROWS = (
    sa.func.jsonb_to_recordset(sa.bindparam("rows", type_=JSONB))
    .table_valued(*(sa.column(name, ChangeLogEntry.__table__.c[name].type) for name in _COLUMNS))
    .render_derived(with_types=True)
)
# Locked, so that a removal in another transaction waits, and then also removes what is written here.
_KEPT = (
    sa.select(Mailbox.id)
    .where(Mailbox.id.in_(sa.select(_ROWS.c.mailbox_id)))
    .order_by(Mailbox.id)
    .with_for_update(key_share=True, read=True)
    .cte("kept")
)
_IS_KEPT = sa.or_(_ROWS.c.mailbox_id.is_(None), _ROWS.c.mailbox_id.in_(sa.select(_KEPT.c.id)))
_PERSONAL_VALUES = {
    "subject": sa.case((_IS_KEPT, _ROWS.c.subject), else_=""),
    "before": sa.case((_IS_KEPT, _ROWS.c.before)),
    "after": sa.case((_IS_KEPT, _ROWS.c.after)),
}
_INSERT_ROWS = sa.insert(ChangeLogEntry).from_select(
    _COLUMNS, sa.select(*(_PERSONAL_VALUES.get(name, _ROWS.c[name]) for name in _COLUMNS))
)


@contextmanager
def record_mailbox_changes(
    connection: sa.Connection,
    is_selected: sa.ColumnElement[bool],
    columns: Collection[str],
    *,
    action: ChangeAction,
    actor: str,
) -> Iterator[None]:
    """Record what the block changes in these columns, as one change of each changed mailbox.

    The caller has locked the mailboxes, so that every difference is the work of the block.

    Args:
        is_selected: the condition on ``mailbox`` that selects them, before and after the block.
    """
    query = sa.select(Mailbox.id, Mailbox.address, *map(get_mailbox_column, columns)).where(is_selected)
    before = {row.id: row for row in connection.execute(query)}
    yield
    changed = [(before[row.id], row) for row in connection.execute(query) if tuple(before[row.id]) != tuple(row)]
    record_changes(connection, (_compare_rows(*pair, columns, action=action, actor=actor) for pair in changed))


def _compare_rows(
    before: sa.Row[Any], after: sa.Row[Any], columns: Collection[str], *, action: ChangeAction, actor: str
) -> Change:
    old, new = before._mapping, after._mapping
    changed = [name for name in columns if old[name] != new[name]]
    return Change(
        action=action,
        actor=actor,
        subject=Subject.of_mailbox(after.id, after.address),
        before={name: old[name] for name in changed},
        after={name: new[name] for name in changed},
    )


def _to_row(change: Change) -> dict[str, Any]:
    source = change_source.get()
    return {
        "actor": change.actor,
        "source": source and source.value,
        "action": change.action.value,
        "subject_kind": change.subject.kind.value,
        "subject": change.subject.name,
        "mailbox_id": change.subject.mailbox_id,
        "before": _to_document(change.before),
        "after": _to_document(change.after),
    }


def _to_document(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if unknown := sorted(set(values or ()) - RECORDED_NAMES):
        raise ValueError(f"{', '.join(unknown)}: not among the names that the change log may contain.")
    return {name: _to_json_value(value) for name, value in values.items()} if values else None


def _to_json_value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json_value(item) for item in value]
    return to_storable_text(value) if isinstance(value, str) else value

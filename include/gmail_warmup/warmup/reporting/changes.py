"""Read the change log: who changed what, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.models import ChangeLogEntry, Mailbox
from gmail_warmup.db.paging import IdPage, IdRange, fetch_id_page
from gmail_warmup.mailboxes import lookup


@dataclass(frozen=True, kw_only=True)
class ChangeQuery:
    """Filters and position of a page of changes.

    Attributes:
        actor: part of the name of the person or command.
        mailbox: its address in any spelling, or the one that it had at that time.
        since: the earliest time, with a time zone.
        until: the first time that is too late.
    """

    actor: str = ""
    action: ChangeAction | None = None
    mailbox: str = ""
    since: datetime | None = None
    until: datetime | None = None
    position: IdRange = field(default_factory=IdRange)


@dataclass(frozen=True, kw_only=True)
class ValueChange:
    """A value before and after a change; None if it was not set."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class ChangeRecord:
    """A change. The codes are those of this or another version."""

    id: int
    at: datetime
    actor: str
    source: str | None
    action: str
    subject_kind: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def values(self) -> list[ValueChange]:
        """Return each value before and after, in the order of their names; none that was and is not set."""
        before, after = self.before or {}, self.after or {}
        pairs = ((name, before.get(name), after.get(name)) for name in sorted({*before, *after}))
        return [ValueChange(name=name, before=old, after=new) for name, old, new in pairs if (old, new) != (None, None)]


_C = ChangeLogEntry
_SELECT_CHANGES = sa.select(
    _C.id, _C.at, _C.actor, _C.source, _C.action, _C.subject_kind, _C.subject, _C.before, _C.after
)


def fetch_change_page(connection: sa.Connection, query: ChangeQuery) -> IdPage[ChangeRecord]:
    """Return one page of changes, the newest first."""
    statement = _SELECT_CHANGES.where(*_build_conditions(query))
    return fetch_id_page(connection, statement, _C.id, query.position, _to_record)


def _build_conditions(query: ChangeQuery) -> Iterator[sa.ColumnElement[bool]]:
    if query.actor:
        yield _C.actor.icontains(to_storable_text(query.actor), autoescape=True)
    if query.action:
        yield _C.action == query.action.value
    if query.mailbox:
        names = lookup.build_lookup(query.mailbox)
        known = sa.select(Mailbox.id).where(Mailbox.identity == names["identity"])
        # Changes of all mailboxes have no subject, and a text that is no address has no stored form.
        yield sa.or_(_C.mailbox_id.in_(known), sa.and_(_C.subject == names["address"], _C.subject != ""))
    if query.since:
        yield _C.at >= query.since
    if query.until:
        yield _C.at < query.until


def _to_record(row: sa.Row[Any]) -> ChangeRecord:
    values = dict(row._mapping)
    # A document that another program stored may be of another type.
    documents = {name: values[name] if isinstance(values[name], dict) else None for name in ("before", "after")}
    return ChangeRecord(**(values | documents))

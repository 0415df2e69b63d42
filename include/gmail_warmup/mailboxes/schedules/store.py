"""Schedules of tags. Every function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.core.enums import ChangeAction, SubjectKind
from gmail_warmup.db.locks import lock_mailboxes
from gmail_warmup.db.models import TagSchedule
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.mailboxes.schedules.send_times import clear_send_times
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.mailboxes.tags import has_tag

_COLUMNS = (TagSchedule.tag, *(getattr(TagSchedule, name) for name in SCHEDULE_NAMES))
_SELECT = sa.select(*_COLUMNS).order_by(sa.collate(TagSchedule.tag, "C"))
"""In the order in which the schedules of tags count, whatever the collation of the database."""

TagValues = dict[str, str | int]
"""What a tag sets, by name, as it is stored."""


def list_tag_schedules(connection: sa.Connection) -> dict[str, TagValues]:
    """Return what each tag sets, by tag; a tag that sets nothing is missing."""
    return {row.tag: _get_set_values(row) for row in connection.execute(_SELECT)}


def get_tag_schedule(connection: sa.Connection, tag: str) -> TagValues:
    """Return what a tag sets.

    Args:
        tag: in its stored form.
    """
    row = connection.execute(_SELECT.where(TagSchedule.tag == tag)).one_or_none()
    return {} if row is None else _get_set_values(row)


def _get_set_values(row: sa.Row[Any]) -> TagValues:
    return {name: value for name in SCHEDULE_NAMES if (value := row._mapping[name]) is not None}


def put_tag_schedule(connection: sa.Connection, tag: str, values: ScheduleValues, *, actor: str) -> None:
    """Set the values of a tag, and none but these. The plans of its mailboxes are computed again.

    Args:
        tag: in its stored form.
    """
    ids = lock_mailboxes(connection, has_tag(tag))
    before, after = get_tag_schedule(connection, tag), values.set_values
    columns = values.model_dump() | {"changed_at": sa.func.now(), "changed_by": actor}
    if after:
        statement = insert(TagSchedule).values(tag=tag, **columns)
        connection.execute(statement.on_conflict_do_update(index_elements=[TagSchedule.tag], set_=columns))
    else:
        connection.execute(sa.delete(TagSchedule).where(TagSchedule.tag == tag))
    if before != after:
        clear_send_times(connection, ids)
        subject = Subject(kind=SubjectKind.TAG, name=tag)
        record_change(connection, ChangeAction.TAG_SCHEDULE, actor=actor, subject=subject, before=before, after=after)

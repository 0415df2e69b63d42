"""Change the same settings of many mailboxes with one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa
from pydantic import model_validator

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.db.models import Mailbox, MailboxKind
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.change_log import record_mailbox_changes
from gmail_warmup.mailboxes.lookup import has_address_in, has_id_in
from gmail_warmup.mailboxes.records import DailyTarget, DisplayName, OwnerEmail, Signature, Tags, Zone
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.mailboxes.tags import change_tags, set_tags
from gmail_warmup.mailboxes.time_zones import require_database_zones

_REMOVABLE = ("display_name", "signature", "owner_email", *SCHEDULE_NAMES)
_TAG_FIELDS = ("tags", "add_tags", "remove_tags")


class MailboxChanges(ScheduleValues):
    """The settings to change. Missing ones stay; an empty or null text, or value of the schedule, is removed.

    ``tags`` replaces the tags of a mailbox; ``add_tags`` and ``remove_tags`` keep the others.

    The others stay if they are null.
    """

    kind: MailboxKind | None = None
    daily_target: DailyTarget | None = None
    timezone: Zone | None = None
    display_name: DisplayName | None = None
    signature: Signature | None = None
    owner_email: OwnerEmail | None = None
    tags: Tags | None = None
    add_tags: Tags = ()
    remove_tags: Tags = ()

    @model_validator(mode="after")
    def _require_change(self) -> Self:
        if not self.column_values and not self.changes_tags:
            raise ValueError("name at least one setting to change")
        return self

    @property
    def column_values(self) -> dict[str, Any]:
        """Return the new values by column."""
        given = self.model_dump(mode="json", exclude_unset=True, exclude={*_TAG_FIELDS})
        return {name: None if value == "" else value for name, value in given.items()
                if value is not None or name in _REMOVABLE}  # fmt: skip

    @property
    def changes_tags(self) -> bool:
        """Return whether any tag is set, added or removed."""
        return self.tags is not None or bool(self.add_tags or self.remove_tags)


def change_settings(connection: sa.Connection, addresses: Sequence[str], changes: MailboxChanges, *, actor: str) -> int:
    """Change settings of mailboxes; return the number of mailboxes changed. Grant, pause and progress stay.

    A mailbox that is being removed keeps its settings.
    """
    ids = removals.lock_kept(connection, has_address_in(addresses))
    changed = [*changes.column_values, *(["tags"] if changes.changes_tags else [])]
    with record_mailbox_changes(connection, has_id_in(ids), changed, action=ChangeAction.MAILBOX_CHANGE, actor=actor):
        return len(_change_columns(connection, ids, changes) | _change_tags(connection, ids, changes))


def _change_columns(connection: sa.Connection, ids: Sequence[int], changes: MailboxChanges) -> set[int]:
    values = changes.column_values
    if changes.timezone:
        require_database_zones(connection, [changes.timezone])
    is_different = sa.or_(
        sa.false(), *(getattr(Mailbox, name).is_distinct_from(value) for name, value in values.items())
    )
    # The settings affect the plan, so the cached send time is cleared.
    statement = sa.update(Mailbox).where(has_id_in(ids), is_different).values(**values, next_send_at=None)
    return set(connection.scalars(statement.returning(Mailbox.id)))


def _change_tags(connection: sa.Connection, ids: Sequence[int], changes: MailboxChanges) -> set[int]:
    if not changes.changes_tags:
        return set()
    if changes.tags is None:
        return change_tags(connection, ids, add=changes.add_tags, remove=changes.remove_tags)
    wanted = {*changes.tags, *changes.add_tags}.difference(changes.remove_tags)
    return set_tags(connection, dict.fromkeys(ids, wanted))

"""Change the same settings of many mailboxes with one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, model_validator

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.db.locks import lock_mailboxes
from gmail_warmup.db.models import Mailbox, MailboxKind
from gmail_warmup.mailboxes.change_log import record_mailbox_changes
from gmail_warmup.mailboxes.records import DailyTarget, DisplayName, Language, OpenRate, ReplyRate, Signature, Zone
from gmail_warmup.mailboxes.repository import has_address_in, has_id_in
from gmail_warmup.mailboxes.time_zones import require_database_zones

_REMOVABLE = ("display_name", "signature", "language")


class MailboxChanges(BaseModel):
    """The settings to change. Missing or null ones stay; an empty or null name, signature or language is removed."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    kind: MailboxKind | None = None
    daily_target: DailyTarget | None = None
    open_rate: OpenRate | None = None
    reply_rate: ReplyRate | None = None
    timezone: Zone | None = None
    display_name: DisplayName | None = None
    signature: Signature | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _require_change(self) -> Self:
        if not self.column_values:
            raise ValueError("name at least one setting to change")
        return self

    @property
    def column_values(self) -> dict[str, Any]:
        """Return the new values by column."""
        given = self.model_dump(mode="json", exclude_unset=True)
        return {name: value or None if name in _REMOVABLE else value for name, value in given.items()
                if value is not None or name in _REMOVABLE}  # fmt: skip


def change_settings(connection: sa.Connection, addresses: Sequence[str], changes: MailboxChanges, *, actor: str) -> int:
    """Change settings of mailboxes; return the number of mailboxes changed. Grant, pause and progress stay."""
    values = changes.column_values
    if changes.timezone:
        require_database_zones(connection, [changes.timezone])
    is_different = sa.or_(*(getattr(Mailbox, name).is_distinct_from(value) for name, value in values.items()))
    # The settings affect the plan, so the cached send time is cleared.
    ids = lock_mailboxes(connection, has_address_in(addresses))
    statement = sa.update(Mailbox).where(has_id_in(ids), is_different).values(**values, next_send_at=None)
    with record_mailbox_changes(connection, has_id_in(ids), values, action=ChangeAction.MAILBOX_CHANGE, actor=actor):
        return connection.execute(statement).rowcount

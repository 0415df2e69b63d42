"""The columns from which the schedule of a mailbox is computed: its own values, and what its tags set."""

from __future__ import annotations

from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gmail_warmup.db.models import Mailbox, MailboxTag, TagSchedule
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES

_NAMES = ("tag", *SCHEDULE_NAMES)
_PAIRS: list[tuple[Any, Any]] = [(sa.literal_column(f"'{name}'"), getattr(TagSchedule, name)) for name in _NAMES]
_VALUES = sa.func.jsonb_build_object(*chain.from_iterable(_PAIRS))
_AS_LIST = sa.cast(sa.func.jsonb_strip_nulls(sa.func.jsonb_agg(aggregate_order_by(_VALUES, TagSchedule.tag))), sa.Text)
_HAS_TAG = MailboxTag.tag == TagSchedule.tag

TAG_SCHEDULES = (
    sa.select(_AS_LIST)
    .select_from(TagSchedule)
    .join(MailboxTag, _HAS_TAG)
    .where(MailboxTag.mailbox_id == Mailbox.id)
    .correlate(Mailbox)
    .scalar_subquery()
    .label("tag_schedules")
)
"""What the tags of a mailbox set, as the text of a JSON list; NULL if they set nothing."""

OWN_VALUES: tuple[Any, ...] = tuple(getattr(Mailbox, name) for name in SCHEDULE_NAMES)
SCHEDULE_COLUMNS: tuple[Any, ...] = (*OWN_VALUES, TAG_SCHEDULES)
"""The columns for a query of some mailboxes."""

ALL_TAG_SCHEDULES = (
    sa.select(MailboxTag.mailbox_id, _AS_LIST.label("tag_schedules"))
    .select_from(TagSchedule)
    .join(MailboxTag, _HAS_TAG)
    .group_by(MailboxTag.mailbox_id)
    .subquery("tag_schedules")
)
"""The same for a query of all mailboxes, to which it is joined: PostgreSQL reads it once."""

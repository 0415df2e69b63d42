"""The cached send times of mailboxes, which every change of a plan clears."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.db.models import Mailbox

_CLEAR = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))
    .values(next_send_at=None)
)


def clear_send_times(connection: sa.Connection, mailbox_ids: Collection[int]) -> None:
    """Clear the cached send times of mailboxes, so that the next run plans them again. The caller has locked them."""
    if mailbox_ids:
        connection.execute(_CLEAR, {"ids": list(mailbox_ids)})

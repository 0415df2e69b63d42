"""why a mail bounced, rejections as spam or by policy, notices that were read

Revision: 0021
Follows: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_KINDS = ("unknown_recipient", "mailbox_full", "rejected", "unreachable", "message", "sending_limit", "other")
_COLUMNS = ("bounce_kind", "bounce_text")

# PostgreSQL keeps the body of a function as text, so the columns are replaced in it.
_BEFORE, _AFTER = "bounce_status, auto_replied_at", "bounce_status, bounce_kind, bounce_text, auto_replied_at"


def _replace_moved_columns(old: str, new: str) -> None:
    definition = "pg_get_functiondef('gmail_warmup.move_mails(bigint, timestamptz, integer)'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, '{old}', '{new}'); END $do$")


def upgrade() -> None:
    for table in ("ledger", "ledger_history"):
        for name in _COLUMNS:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True), schema=_SCHEMA)
    listed = ", ".join(f"'{kind}'" for kind in _KINDS)
    op.create_check_constraint(op.f("ck_ledger_bounce_kind"), "ledger", f"bounce_kind IN ({listed})", schema=_SCHEMA)
    op.add_column(
        "mailbox_day", sa.Column("rejected", sa.SmallInteger(), server_default="0", nullable=False), schema=_SCHEMA
    )
    op.add_column(
        "health_event", sa.Column("rejected", sa.Integer(), server_default="0", nullable=False), schema=_SCHEMA
    )
    op.add_column(
        "mailbox",
        sa.Column("read_notice_ids", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        schema=_SCHEMA,
    )
    _replace_moved_columns(_BEFORE, _AFTER)


def downgrade() -> None:
    _replace_moved_columns(_AFTER, _BEFORE)
    op.drop_column("mailbox", "read_notice_ids", schema=_SCHEMA)
    op.drop_column("health_event", "rejected", schema=_SCHEMA)
    op.drop_column("mailbox_day", "rejected", schema=_SCHEMA)
    op.drop_constraint(op.f("ck_ledger_bounce_kind"), "ledger", schema=_SCHEMA, type_="check")
    for table in ("ledger_history", "ledger"):
        for name in reversed(_COLUMNS):
            op.drop_column(table, name, schema=_SCHEMA)

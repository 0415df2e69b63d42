"""mailboxes that a breaker counts, days that the ledger needs, second drafts of a mail

Revision: 0013
Follows: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_INDEX = "ix_ledger_stray_draft"

# PostgreSQL keeps the body of a function as text, so the changed part is replaced in it.
_PENDING_BEFORE = "        OR (mail.trash_due_at >"
_PENDING_AFTER = "        OR mail.stray_draft_due_at > pg_catalog.now() - interval '366 days'\n" + _PENDING_BEFORE
_DAYS_BEFORE = """
        SELECT mailbox_id, local_date FROM gmail_warmup.mailbox_day WHERE local_date < before::date LIMIT at_once
    );"""
_DAYS_AFTER = """
        SELECT d.mailbox_id, d.local_date FROM gmail_warmup.mailbox_day d
        WHERE d.local_date < before::date
            AND NOT EXISTS (
                SELECT FROM gmail_warmup.ledger l WHERE l.sender_id = d.mailbox_id AND l.local_date = d.local_date
            )
        LIMIT at_once
    );"""
_MONTHS_BEFORE = """
            AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                <= least(before, now() - interval '2 months')
"""
_MONTHS_AFTER = """
            -- CASE, because PostgreSQL may evaluate conditions on all relations before the join
            AND CASE WHEN c.relname ~ '^ledger_history_[0-9]{4}_[0-9]{2}$'
                THEN to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                    <= least(before, now() - interval '2 months')
                ELSE false END
"""
_BODIES = (
    ("drop_months(timestamptz)", _MONTHS_BEFORE, _MONTHS_AFTER),
    ("mail_is_pending(gmail_warmup.ledger)", _PENDING_BEFORE, _PENDING_AFTER),
    ("remove_old(timestamptz, integer)", _DAYS_BEFORE, _DAYS_AFTER),
    (
        "move_mails(bigint, timestamptz, integer)",
        "recipient_trashed_at) SELECT",
        "recipient_trashed_at, stray_draft_due_at) SELECT",
    ),
    (
        "move_mails(bigint, timestamptz, integer)",
        "recipient_trashed_at FROM gone",
        "recipient_trashed_at, stray_draft_due_at FROM gone",
    ),
)


def _replace_in_body(function: str, old: str, new: str) -> None:
    definition = f"pg_get_functiondef('gmail_warmup.{function}'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, $old${old}$old$, $new${new}$new$); END $do$")


def upgrade() -> None:
    op.add_column(
        "breaker",
        sa.Column("failed_mailbox_ids", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        schema=_SCHEMA,
    )
    op.execute(
        "UPDATE gmail_warmup.breaker SET failed_mailbox_ids = ARRAY[last_mailbox_id] WHERE last_mailbox_id IS NOT NULL"
    )
    op.drop_column("breaker", "last_mailbox_id", schema=_SCHEMA)
    op.drop_column("breaker", "failures", schema=_SCHEMA)
    for table in ("ledger", "ledger_history"):
        column = sa.Column("stray_draft_due_at", sa.DateTime(timezone=True), nullable=True)
        op.add_column(table, column, schema=_SCHEMA)
    where = sa.text("stray_draft_due_at IS NOT NULL")
    op.create_index(_INDEX, "ledger", ["sender_id", "stray_draft_due_at"], schema=_SCHEMA, postgresql_where=where)
    for function, old, new in _BODIES:
        _replace_in_body(function, old, new)


def downgrade() -> None:
    for function, old, new in _BODIES:
        _replace_in_body(function, new, old)
    op.drop_index(_INDEX, table_name="ledger", schema=_SCHEMA)
    for table in ("ledger_history", "ledger"):
        op.drop_column(table, "stray_draft_due_at", schema=_SCHEMA)
    op.add_column("breaker", sa.Column("failures", sa.Integer(), server_default="0", nullable=False), schema=_SCHEMA)
    op.add_column("breaker", sa.Column("last_mailbox_id", sa.BigInteger(), nullable=True), schema=_SCHEMA)
    op.execute(
        "UPDATE gmail_warmup.breaker SET failures = cardinality(failed_mailbox_ids),"
        " last_mailbox_id = failed_mailbox_ids[cardinality(failed_mailbox_ids)]"
    )
    op.drop_column("breaker", "failed_mailbox_ids", schema=_SCHEMA)

"""signatures, threads, marks at times of their own, bounces and auto-replies, retention

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _mailbox()
    _ledger()


def _mailbox() -> None:
    for column in (
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("label_name", sa.Text(), nullable=True),
        sa.Column("history_id", sa.Text(), nullable=True),
        sa.Column("notices_due_at", _TIME, nullable=True),
    ):
        op.add_column("mailbox", column, schema=_SCHEMA)
    op.create_check_constraint(op.f("ck_mailbox_signature"), "mailbox", "length(signature) <= 500", schema=_SCHEMA)
    op.create_index(
        "ix_mailbox_notices_due_at",
        "mailbox",
        ["notices_due_at"],
        schema=_SCHEMA,
        postgresql_where=sa.text("notices_due_at IS NOT NULL"),
    )


def _ledger() -> None:
    for column in (
        sa.Column("starred", sa.Boolean(), nullable=True),
        sa.Column("mark_due_at", _TIME, nullable=True),
        sa.Column("marked_at", _TIME, nullable=True),
        sa.Column("bounced_at", _TIME, nullable=True),
        sa.Column("bounce_status", sa.Text(), nullable=True),
        sa.Column("auto_replied_at", _TIME, nullable=True),
        sa.Column("notice_ids", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("trash_due_at", _TIME, nullable=True),
        sa.Column("sender_trashed_at", _TIME, nullable=True),
        sa.Column("recipient_trashed_at", _TIME, nullable=True),
    ):
        op.add_column("ledger", column, schema=_SCHEMA)
    for name, columns, where in (
        ("unmarked", ["recipient_id", "mark_due_at"], "mark_due_at IS NOT NULL AND marked_at IS NULL"),
        ("untrashed_at_sender", ["trash_due_at"], "trash_due_at IS NOT NULL AND sender_trashed_at IS NULL"),
        (
            "untrashed_at_recipient",
            ["trash_due_at"],
            "recipient_gmail_id IS NOT NULL AND trash_due_at IS NOT NULL AND recipient_trashed_at IS NULL",
        ),
    ):
        op.create_index(f"ix_ledger_{name}", "ledger", columns, schema=_SCHEMA, postgresql_where=sa.text(where))


def downgrade() -> None:
    for name in ("untrashed_at_recipient", "untrashed_at_sender", "unmarked"):
        op.drop_index(f"ix_ledger_{name}", table_name="ledger", schema=_SCHEMA)
    for column in (
        "recipient_trashed_at", "sender_trashed_at", "trash_due_at", "notice_ids", "auto_replied_at", "bounce_status",
        "bounced_at", "marked_at", "mark_due_at", "starred",
    ):  # fmt: skip
        op.drop_column("ledger", column, schema=_SCHEMA)
    op.drop_index("ix_mailbox_notices_due_at", table_name="mailbox", schema=_SCHEMA)
    op.drop_constraint(op.f("ck_mailbox_signature"), "mailbox", schema=_SCHEMA, type_="check")
    for column in ("notices_due_at", "history_id", "label_name", "signature"):
        op.drop_column("mailbox", column, schema=_SCHEMA)

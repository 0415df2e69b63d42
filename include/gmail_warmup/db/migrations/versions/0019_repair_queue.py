"""store the repair queues: the mailboxes that a user signs in for, one after the other

Revision: 0019
Follows: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"


def upgrade() -> None:
    op.create_table(
        "repair",
        sa.Column("airflow_user", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("consent_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('skipped', 'failed')", name=op.f("ck_repair_outcome")),
        sa.PrimaryKeyConstraint("airflow_user", "mailbox_id", name=op.f("pk_repair")),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], [f"{_SCHEMA}.mailbox.id"], name=op.f("fk_repair_mailbox_id_mailbox"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["consent_id"], [f"{_SCHEMA}.consent.id"], name=op.f("fk_repair_consent_id_consent"), ondelete="SET NULL"
        ),
        schema=_SCHEMA,
    )
    op.create_index("ix_repair_mailbox_id", "repair", ["mailbox_id"], schema=_SCHEMA)
    op.create_index("ix_repair_consent_id", "repair", ["consent_id"], schema=_SCHEMA)


def downgrade() -> None:
    op.drop_table("repair", schema=_SCHEMA)
